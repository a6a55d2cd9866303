//! Loom's atomics, with every access a point at which any other thread may come in between.
//!
//! Loom leaves out interleavings that it takes for equal: it remembers the last access to each atomic only, so a load by
//! one thread is forgotten when another thread loads, and the order of the first load and a store is never turned round.
//! An addition to one common atomic before each access makes all accesses depend on each other. It is Relaxed: it
//! multiplies the interleavings and orders nothing.

use super::step;
use crate::checker::sync::atomic as model;
pub(crate) use crate::checker::sync::atomic::Ordering;

macro_rules! stepping {
    ($($name:ident of $value:ty;)*) => { $(
        #[derive(Debug, Default)]
        pub(crate) struct $name(model::$name);

        impl $name {
            #[track_caller]
            pub(crate) fn new(value: $value) -> Self {
                Self(model::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                step();
                self.0.load(ordering)
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                step();
                self.0.store(value, ordering);
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.swap(value, ordering)
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.fetch_add(value, ordering)
            }

            #[track_caller]
            pub(crate) fn fetch_sub(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.fetch_sub(value, ordering)
            }

            #[track_caller]
            pub(crate) fn fetch_max(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.fetch_max(value, ordering)
            }

            #[track_caller]
            pub(crate) fn fetch_min(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.fetch_min(value, ordering)
            }

            #[track_caller]
            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                step();
                self.0.fetch_update(set, fetch, change)
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }

            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }
        }
    )* };
}

stepping! {
    AtomicU32 of u32;
    AtomicU64 of u64;
    AtomicUsize of usize;
}

#[derive(Debug)]
pub(crate) struct AtomicPtr<T>(model::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    #[track_caller]
    pub(crate) fn new(value: *mut T) -> Self {
        Self(model::AtomicPtr::new(value))
    }

    #[track_caller]
    pub(crate) fn load(&self, ordering: Ordering) -> *mut T {
        step();
        self.0.load(ordering)
    }

    #[track_caller]
    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        step();
        self.0.compare_exchange(current, new, success, failure)
    }
}
