//! Stand-ins for arc-swap, which loom cannot see into: an atomic index into the list of all values that were ever stored.
//!
//! They are weaker than arc-swap where it matters: a store only releases and a load only acquires, so a load may return
//! an older value than the newest. They say nothing about arc-swap's own reclamation; a value that was replaced goes when
//! its last user does.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::atomic::{AtomicUsize, Ordering};

pub(crate) struct ArcSwapOption<T> {
    /// Position in `values`, counted from one; zero is None.
    current: AtomicUsize,
    values: Mutex<Vec<Value<T>>>,
}

struct Value<T> {
    /// Gone once it has been replaced.
    kept: Option<Arc<T>>,
    lent: Weak<T>,
}

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> Self {
        Self::new(None)
    }

    pub(crate) fn new(value: Option<Arc<T>>) -> Self {
        let values = Mutex::default();
        let current = add(&values, value);
        Self { current: AtomicUsize::new(current), values }
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        let maybe_older = self.current.load(Ordering::Acquire);
        if let Some(found) = self.at(maybe_older) {
            return found;
        }
        // Nobody holds that one any more. An addition of nothing reads the newest.
        let newest = self.current.fetch_add(0, Ordering::Acquire);
        self.at(newest).flatten()
    }

    /// Arc-swap's own returns a guard, which is used as this is.
    pub(crate) fn load(&self) -> Option<Arc<T>> {
        self.load_full()
    }

    pub(crate) fn store(&self, value: Option<Arc<T>>) {
        drop(self.swap(value));
    }

    pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        let next = add(&self.values, value);
        // It acquires as well: who takes a value out may use it.
        let before = self.current.swap(next, Ordering::AcqRel);
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get_mut(before.checked_sub(1)?)?.kept.take()
    }

    /// None when the value there is gone.
    fn at(&self, position: usize) -> Option<Option<Arc<T>>> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        match position.checked_sub(1) {
            None => Some(None),
            Some(index) => values.get(index)?.lent.upgrade().map(Some),
        }
    }
}

fn add<T>(values: &Mutex<Vec<Value<T>>>, value: Option<Arc<T>>) -> usize {
    let Some(value) = value else { return 0 };
    let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
    values.push(Value { lent: Arc::downgrade(&value), kept: Some(value) });
    values.len()
}

impl<T> Default for ArcSwapOption<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T> fmt::Debug for ArcSwapOption<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ArcSwapOption").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct ArcSwap<T>(ArcSwapOption<T>);

impl<T> ArcSwap<T> {
    pub(crate) fn from_pointee(value: T) -> Self {
        Self(ArcSwapOption::new(Some(Arc::new(value))))
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        self.0.load_full().expect("it was never empty")
    }

    pub(crate) fn store(&self, value: Arc<T>) {
        self.0.store(Some(value));
    }
}

/// An [`ArcSwapOption`] that only one thread may write at a time, and that fails the model if two do.
#[derive(Debug)]
pub(crate) struct ExclusivelyWritten<T> {
    value: ArcSwapOption<T>,
    writer: crate::checker::UnsafeCell<()>,
}

impl<T> ExclusivelyWritten<T> {
    pub(crate) fn empty() -> Self {
        Self { value: ArcSwapOption::empty(), writer: crate::checker::UnsafeCell::new(()) }
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        self.value.load_full()
    }

    pub(crate) fn store(&self, value: Option<Arc<T>>) {
        drop(self.swap(value));
    }

    pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        // Loom's check is that nobody else has it, and that whoever had it came before.
        self.writer.with_mut(|_| self.value.swap(value))
    }
}

// SAFETY: the cell holds nothing.
#[allow(unsafe_code)]
unsafe impl<T: Send + Sync> Sync for ExclusivelyWritten<T> {}
