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

pub const HC_OK: c_int = 0;
pub const HC_FAILED: c_int = 1;
pub const HC_PASTFIRST: c_int = 2;
pub const HC_NONODE: c_int = 3;
pub const HC_NOVERDICT: c_int = 4;
pub const HC_NOSEQUENCE: c_int = 5;
pub const HC_BUSY: c_int = 6;
pub const HC_NOTRUNNING: c_int = 7;
pub const HC_WRONGFUNC: c_int = 8;
pub const HC_BADARGUMENT: c_int = 9;
pub const HC_NOLIST: c_int = 10;
pub const HC_NONORMALFUNC: c_int = 11;
pub const HC_DUPLICATE: c_int = 12;
pub const HC_BADKIND: c_int = 13;
pub const HC_RESERVED: c_int = 14;

/// Why a function has done nothing, or how a run has ended otherwise than well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Code {
    Failed = HC_FAILED,
    PastFirst = HC_PASTFIRST,
    NoNode = HC_NONODE,
    NoVerdict = HC_NOVERDICT,
    NoSequence = HC_NOSEQUENCE,
    Busy = HC_BUSY,
    NotRunning = HC_NOTRUNNING,
    WrongFunction = HC_WRONGFUNC,
    BadArgument = HC_BADARGUMENT,
    NoList = HC_NOLIST,
    NoNormalFunction = HC_NONORMALFUNC,
    Duplicate = HC_DUPLICATE,
    BadKind = HC_BADKIND,
    Reserved = HC_RESERVED,
}

/// The text of a code: a phrase that goes on from "Sequence was: ".
pub(crate) fn text(code: c_int) -> &'static CStr {
    match code {
        HC_OK => c"finished",
        HC_FAILED => c"failed by a policy function",
        HC_PASTFIRST => c"rolled back past its first node",
        HC_NONODE => c"sent to a node that it does not have",
        HC_NOVERDICT => c"left without a verdict by a policy function",
        HC_NOSEQUENCE => c"not there (its pointer is NULL, or it was deleted)",
        HC_BUSY => c"busy (it is running)",
        HC_NOTRUNNING => c"not running in this thread",
        HC_WRONGFUNC => c"called by a function of the wrong kind",
        HC_BADARGUMENT => c"given an argument that is not known",
        HC_NOLIST => c"given no list of nodes, or an empty one",
        HC_NONORMALFUNC => c"given a node without a normal function",
        HC_DUPLICATE => c"given two functions of a kind for one node",
        HC_BADKIND => c"given a list with an unknown kind of function (is HC_LISTEND missing?)",
        HC_RESERVED => c"given a list with the node number 0, which stands for the end",
        _ => c"ended with a code that is not known",
    }
}
