//! The threads of a model: numbered in the order in which they begin.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(NonZeroU32);

thread_local! {
    // All threads of a model share one thread of the system, hence these.
    static BEGUN: Cell<u32> = const { Cell::new(0) };
    static GONE: RefCell<Vec<ThreadId>> = const { RefCell::new(Vec::new()) };
    static JOINING: Cell<u32> = const { Cell::new(0) };
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

crate::checker::thread_local! {
    static ME: Cell<Option<ThreadId>> = Cell::new(None);
}

impl ThreadId {
    pub(crate) fn current() -> Self {
        ME.with(|me| {
            me.get().unwrap_or_else(|| {
                let id = Self(NonZeroU32::MIN.saturating_add(BEGUN.replace(BEGUN.get() + 1)));
                me.set(Some(id));
                id
            })
        })
    }

    pub(crate) fn from_raw(raw: u32) -> Option<Self> {
        NonZeroU32::new(raw).map(Self)
    }

    pub(crate) fn as_raw(self) -> u32 {
        self.0.get()
    }

    pub(crate) fn is_gone(self) -> bool {
        GONE.with_borrow(|gone| gone.contains(&self))
    }
}

pub(crate) fn process_id() -> u32 {
    1
}

/// A thread of a model.
#[derive(Debug)]
pub(crate) struct Thread<T>(crate::checker::thread::JoinHandle<T>);

pub(crate) fn spawn<T: 'static>(body: impl FnOnce() -> T + 'static) -> Thread<T> {
    // Counted from here on: it can run.
    let id = ThreadId(NonZeroU32::MIN.saturating_add(BEGUN.replace(BEGUN.get() + 1)));
    Thread(crate::checker::thread::spawn(move || {
        ME.with(|me| me.set(Some(id)));
        let ended = Ended(id);
        let result = body();
        drop(ended);
        result
    }))
}

/// Drop also tells of threads that panic.
struct Ended(ThreadId);

impl Drop for Ended {
    fn drop(&mut self) {
        GONE.with_borrow_mut(|gone| gone.push(self.0));
    }
}

impl<T: 'static> Thread<T> {
    pub(crate) fn join(self) -> T {
        JOINING.set(JOINING.get() + 1);
        let result = self.0.join().expect("the model's thread has panicked");
        JOINING.set(JOINING.get() - 1);
        result
    }
}

/// Whether all threads that have not ended sleep or wait for one that does.
pub(super) fn nobody_can_run(sleeping: usize) -> bool {
    let gone = GONE.with_borrow(Vec::len);
    sleeping + gone + JOINING.get() as usize == BEGUN.get() as usize
}

/// An execution begins, on the thread that calls this.
pub(crate) fn begin() {
    BEGUN.set(0);
    JOINING.set(0);
    GONE.with_borrow_mut(Vec::clear);
    RUNNING.set(true);
    let _ = ThreadId::current();
}

/// The execution has ended.
pub(crate) fn end() {
    RUNNING.set(false);
}

/// Whether an execution is under way.
pub(super) fn is_running() -> bool {
    RUNNING.get()
}
