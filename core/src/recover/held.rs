//! The gates that this thread holds: it is inside their recovery functions, the innermost last.

use std::cell::RefCell;

use smallvec::SmallVec;

use crate::connection::Connection;
use crate::sync::Arc;

/// How deep recovery functions may recover other connections.
const DEEPEST: usize = 8;

thread_local! {
    static HELD: RefCell<SmallVec<[Arc<Connection>; 2]>> = const { RefCell::new(SmallVec::new_const()) };
}

/// While it lives, the thread is known to hold this connection's gate.
#[derive(Debug)]
pub(crate) struct Holding(());

impl Holding {
    /// None when too many recoveries are nested already, or when the thread is ending.
    pub(crate) fn begin(connection: &Arc<Connection>) -> Option<Self> {
        HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            (held.len() < DEEPEST).then(|| {
                held.push(Arc::clone(connection));
                Self(())
            })
        })
        .ok()
        .flatten()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // A thread that is ending has nothing to take back.
        let _ = HELD.try_with(|held| held.borrow_mut().pop());
    }
}

/// Whether this thread holds no gate, as nearly every thread.
pub(crate) fn is_nothing() -> bool {
    HELD.try_with(|held| held.borrow().is_empty()).unwrap_or(true)
}

/// Calls `visit` for each connection whose gate this thread holds.
pub(crate) fn each_held(visit: impl FnMut(&Arc<Connection>)) {
    let held = HELD.try_with(|held| held.borrow().clone()).unwrap_or_default();
    held.iter().for_each(visit);
}
