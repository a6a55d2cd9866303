//! Shuttle, with what it has otherwise than loom.

use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use shuttle::{lazy_static, sync, thread_local};

pub(crate) mod thread {
    pub(crate) use shuttle::thread::yield_now;

    #[derive(Debug)]
    struct OnOneThread<T>(T);

    // SAFETY: all threads of an execution share one thread of the system.
    #[allow(unsafe_code)]
    unsafe impl<T> Send for OnOneThread<T> {}

    impl<T> OnOneThread<T> {
        fn into_inner(self) -> T {
            self.0
        }
    }

    #[derive(Debug)]
    pub(crate) struct JoinHandle<T>(shuttle::thread::JoinHandle<OnOneThread<T>>);

    impl<T: 'static> JoinHandle<T> {
        pub(crate) fn join(self) -> std::thread::Result<T> {
            self.0.join().map(OnOneThread::into_inner)
        }
    }

    pub(crate) fn spawn<T: 'static>(body: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
        let body = OnOneThread(body);
        JoinHandle(shuttle::thread::spawn(move || OnOneThread(body.into_inner()())))
    }
}

/// A cell that nobody may write while somebody else does.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T> {
    value: std::cell::UnsafeCell<T>,
    is_lent: AtomicBool,
}

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: std::cell::UnsafeCell::new(value), is_lent: AtomicBool::new(false) }
    }

    pub(crate) fn with_mut<R>(&self, change: impl FnOnce(*mut T) -> R) -> R {
        assert!(!self.is_lent.swap(true, Ordering::Relaxed), "two write at once");
        let result = change(self.value.get());
        self.is_lent.store(false, Ordering::Relaxed);
        result
    }
}
