//! The values and types of `checkpoint.h`.

#![allow(non_camel_case_types, reason = "the names of the C side")]
#![allow(missing_docs, reason = "`checkpoint.h` documents them")]

use std::ffi::{CStr, c_int, c_long, c_uint, c_ulong, c_void};

pub use crate::handle::Handle as HC_Sequence_t;

pub type HC_PolicyEvent_t = c_int;

pub type HC_NormalFunc_t = unsafe extern "C-unwind" fn(*mut HC_Sequence_t, *mut c_void) -> c_int;
pub type HC_RollbackFunc_t = unsafe extern "C-unwind" fn(*mut HC_Sequence_t, *mut c_void, c_ulong) -> c_int;
pub type HC_PolicyFunc_t =
    unsafe extern "C-unwind" fn(*mut HC_Sequence_t, *mut c_void, HC_PolicyEvent_t, c_long) -> c_int;
pub type HC_Observer_t = Option<unsafe extern "C-unwind" fn(*mut c_void, *const HC_Observation_t)>;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HC_NodelistNode_t {
    pub node: c_int,
    pub kind: c_int,
    pub function: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct HC_Observation_t {
    pub what: c_int,
    pub node: c_int,
    pub event: HC_PolicyEvent_t,
    pub verdict: c_int,
    pub data: c_long,
    pub attempt: c_uint,
}

pub const HC_LISTEND: c_int = 0;
pub const HC_NORMALFUNC: c_int = 1;
pub const HC_ROLLBACKFUNC: c_int = 2;
pub const HC_POLICYFUNC: c_int = 3;

pub const HC_NORMALSUCCESS: c_int = 1;
pub const HC_NORMALFAIL: c_int = 2;
pub const HC_ROLLBACKSUCCESS: c_int = 3;
pub const HC_ROLLBACKFAIL: c_int = 4;

pub const HC_SAW_EVENT: c_int = 1;
pub const HC_SAW_VERDICT: c_int = 2;
pub const HC_SAW_REPLACED: c_int = 3;

pub const HC_VERDICT_RETRY: c_int = 1;
pub const HC_VERDICT_ROLLBACK: c_int = 2;
pub const HC_VERDICT_PREVIOUS: c_int = 3;
pub const HC_VERDICT_GOTO: c_int = 4;
pub const HC_VERDICT_FINISH: c_int = 5;
pub const HC_VERDICT_FAIL: c_int = 6;

/// Makes the codes, and their texts: phrases that go on from "Sequence was: ".
macro_rules! codes {
    ($($code:ident $name:ident = $value:literal $text:literal)+) => {
        $(pub const $name: c_int = $value;)+

        /// Why a function has done nothing, or how a run has ended otherwise than well.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i32)]
        pub enum Code {
            $($code = $name,)+
        }

        /// The text of a code.
        pub(crate) fn text(code: c_int) -> &'static CStr {
            match code {
                HC_OK => c"finished",
                $($name => $text,)+
                _ => c"ended with a code that is not known",
            }
        }
    };
}

pub const HC_OK: c_int = 0;

codes! {
    Failed HC_FAILED = 1 c"failed by a policy function"
    PastFirst HC_PASTFIRST = 2 c"rolled back past its first node"
    NoNode HC_NONODE = 3 c"sent to a node that it does not have"
    NoVerdict HC_NOVERDICT = 4 c"left without a verdict by a policy function"
    NoSequence HC_NOSEQUENCE = 5 c"not there (its pointer is NULL, or it was deleted)"
    Busy HC_BUSY = 6 c"busy (it is running)"
    NotRunning HC_NOTRUNNING = 7 c"not running in this thread"
    WrongFunction HC_WRONGFUNC = 8 c"called by a function of the wrong kind"
    BadArgument HC_BADARGUMENT = 9 c"given an argument that is not known"
    NoList HC_NOLIST = 10 c"given no list of nodes, or an empty one"
    NoNormalFunction HC_NONORMALFUNC = 11 c"given a node without a normal function"
    Duplicate HC_DUPLICATE = 12 c"given two functions of a kind for one node"
    BadKind HC_BADKIND = 13 c"given a list with an unknown kind of function (is HC_LISTEND missing?)"
    Reserved HC_RESERVED = 14 c"given a list with the node number 0, which stands for the end"
}
