//! The observer: a C function that is told what happens.

#![allow(unsafe_code)]

use std::ffi::c_void;

use crate::values::HC_Observation_t;

/// A function and its argument.
#[derive(Clone, Copy)]
pub(crate) struct Observer {
    function: unsafe extern "C-unwind" fn(*mut c_void, *const HC_Observation_t),
    argument: *mut c_void,
}

impl Observer {
    /// # Safety
    ///
    /// The function can be called with this argument as long as the sequence is there, by the contract of HC_SetObserver.
    pub(crate) unsafe fn new(
        function: unsafe extern "C-unwind" fn(*mut c_void, *const HC_Observation_t),
        argument: *mut c_void,
    ) -> Self {
        Self { function, argument }
    }

    pub(crate) fn tell(self, observation: &HC_Observation_t) {
        // SAFETY: the contract of `new`.
        unsafe { (self.function)(self.argument, observation) }
    }
}
