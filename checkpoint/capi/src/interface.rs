//! The `HC_` functions. `include/checkpoint.h` documents them for who calls them.
//!
//! # Safety
//!
//! Sequences are null or come from `HC_NewSequence`, and were not deleted longer ago than `checkpoint.h` says; lists are ended
//! by `HC_LISTEND`, and their functions are what their kinds say: the caller's part.

#![allow(unsafe_code, non_snake_case)]
#![allow(clippy::missing_safety_doc)]
#![allow(missing_docs, reason = "`checkpoint.h` documents them")]

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::ptr;

use ha_checkpoint::{Function, Report, RunError, Verdict};

use crate::Sequence;
use crate::desk::{Desk, Reported, meant, next};
use crate::functions::node;
use crate::handle::{Handle, create, find};
use crate::list::read;
use crate::observer::Observer;
use crate::values::{
    Code, HC_NORMALFUNC, HC_NodelistNode_t, HC_OK, HC_Observer_t, HC_PolicyEvent_t, HC_ROLLBACKFUNC, HC_Sequence_t,
    text,
};

fn done(result: Result<(), Code>) -> c_int {
    result.map_or_else(|code| code as c_int, |()| HC_OK)
}

/// What a function of a node says, with the desk that it says it to.
///
/// # Safety
///
/// As this module says.
unsafe fn say(sequence: *mut HC_Sequence_t, what: impl FnOnce(&Desk) -> Result<(), Code>) -> c_int {
    // SAFETY: the caller's pointer.
    done(unsafe { find(sequence) }.and_then(Handle::desk).and_then(what))
}

/// As above, for policy functions.
unsafe fn judge(sequence: *mut HC_Sequence_t, verdict: Verdict<c_long>) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { say(sequence, |desk| desk.verdict(verdict)) }
}

/// As above, for normal and rollback functions.
unsafe fn report(sequence: *mut HC_Sequence_t, report: Reported) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { say(sequence, |desk| desk.report(report)) }
}

/// What somebody else does with a sequence.
unsafe fn with<T>(
    sequence: *mut HC_Sequence_t,
    action: impl FnOnce(&mut Sequence, &Desk) -> Result<T, Code>,
) -> Result<T, Code> {
    // SAFETY: the caller's pointer.
    unsafe { find(sequence) }?.with(action)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_NewSequence(list: *mut HC_NodelistNode_t) -> *mut HC_Sequence_t {
    // SAFETY: the caller's list.
    let nodes = unsafe { read(list) }.ok();
    let nodes = nodes.map(|nodes| nodes.into_iter().map(|(number, functions)| node(number.into(), functions)));
    match nodes.and_then(|nodes| Sequence::new(nodes).ok()) {
        Some(sequence) => create(sequence),
        None => {
            // SAFETY: always allowed.
            let errno = unsafe { libc::__errno_location() };
            // SAFETY: this thread's own.
            unsafe { errno.write(libc::EINVAL) };
            ptr::null_mut()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_CheckNodelist(list: *const HC_NodelistNode_t) -> c_int {
    // SAFETY: the caller's list.
    done(unsafe { read(list) }.map(drop))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn HC_CallSequence(
    sequence: *mut HC_Sequence_t,
    userdata: *mut c_void,
    start_node: c_int,
) -> c_int {
    // SAFETY: the caller's pointer.
    let result = unsafe { find(sequence) }.and_then(|handle| {
        handle.with(|sequence, desk| {
            desk.begin();
            let result = sequence.run(&mut handle.call(userdata), start_node.into());
            desk.end();
            result.map_err(|error| match error {
                RunError::Failed { .. } if desk.is_mute() => Code::NoVerdict,
                RunError::PastFirst { .. } => Code::PastFirst,
                RunError::NoSuchNode { .. } => Code::NoNode,
                _ => Code::Failed,
            })
        })
    });
    done(result)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_DeleteSequence(sequence: *mut HC_Sequence_t) {
    // SAFETY: the caller's pointer.
    if let Ok(handle) = unsafe { find(sequence) } {
        handle.delete();
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_NormalSuccess(sequence: *mut HC_Sequence_t, data: c_long) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { report(sequence, Report::NormalSuccess(next(data))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_NormalFail(sequence: *mut HC_Sequence_t, data: c_long) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { report(sequence, Report::NormalFail(data)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_RollBackSuccess(sequence: *mut HC_Sequence_t, data: c_long) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { report(sequence, Report::RollBackSuccess(next(data))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_RollBackFail(sequence: *mut HC_Sequence_t, data: c_long) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { report(sequence, Report::RollBackFail(data)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_Checkpoint(sequence: *mut HC_Sequence_t, value: c_ulong) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { say(sequence, |desk| desk.checkpoint(value)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_RollBackCurrent(sequence: *mut HC_Sequence_t) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { judge(sequence, Verdict::RollBackCurrent) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_RollBackPrev(sequence: *mut HC_Sequence_t) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { judge(sequence, Verdict::RollBackPrevious) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_GoTo(sequence: *mut HC_Sequence_t, node: c_long) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { judge(sequence, Verdict::GoTo(node)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_Finish(sequence: *mut HC_Sequence_t) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { judge(sequence, Verdict::Finish) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_Fail(sequence: *mut HC_Sequence_t) -> c_int {
    // SAFETY: the caller's pointer.
    unsafe { judge(sequence, Verdict::Fail) }
}

// As a policy function may be: the type of an entry of a node list.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn HC_DefaultPolicy(
    sequence: *mut HC_Sequence_t,
    userdata: *mut c_void,
    event: HC_PolicyEvent_t,
    policy_data: c_long,
) -> c_int {
    let _ = userdata;
    // SAFETY: the caller's pointer.
    unsafe { say(sequence, |desk| desk.verdict(meant(event, policy_data)?.default_verdict())) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_Attempt(sequence: *mut HC_Sequence_t) -> c_uint {
    // SAFETY: the caller's pointer.
    unsafe { find(sequence) }.and_then(Handle::desk).map_or(0, Desk::attempt)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_LastFailure(sequence: *mut HC_Sequence_t, node: *mut c_int, data: *mut c_long) -> c_int {
    // SAFETY: the caller's pointer.
    let failure = unsafe { find(sequence) }.and_then(|handle| match handle.desk() {
        Ok(desk) => Ok(desk.failure()),
        Err(_) => handle.with(|_, desk| Ok(desk.failure())),
    });
    done(failure.and_then(|failure| {
        let (number, error) = failure.ok_or(Code::NoNode)?;
        // SAFETY: the caller's, if it is not null.
        if let Some(node) = unsafe { node.as_mut() } {
            *node = number;
        }
        // SAFETY: as above.
        if let Some(data) = unsafe { data.as_mut() } {
            *data = error;
        }
        Ok(())
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_SetObserver(
    sequence: *mut HC_Sequence_t,
    observer: HC_Observer_t,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the caller's function and argument.
    let observer = observer.map(|function| unsafe { Observer::new(function, argument) });
    let set = |_: &mut Sequence, desk: &Desk| {
        desk.set_observer(observer);
        Ok(())
    };
    // SAFETY: the caller's pointer.
    done(unsafe { with(sequence, set) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn HC_InjectFailure(
    sequence: *mut HC_Sequence_t,
    node: c_int,
    kind: c_int,
    nth: c_uint,
    data: c_long,
) -> c_int {
    let inject = |sequence: &mut Sequence, _: &Desk| {
        let function = match kind {
            HC_NORMALFUNC => Function::Normal,
            HC_ROLLBACKFUNC => Function::RollBack,
            _ => return Err(Code::BadArgument),
        };
        sequence.inject(function, node.into(), nth, data).map_err(|_| Code::NoNode)
    };
    // SAFETY: the caller's pointer.
    done(unsafe { with(sequence, inject) })
}

#[unsafe(no_mangle)]
pub extern "C" fn HC_Strerror(code: c_int) -> *const c_char {
    text(code).as_ptr()
}

/// Makes the linker take `c/panic.c` into the shared library.
#[used]
static VARIADIC: unsafe extern "C" fn() = {
    unsafe extern "C" {
        fn HC_Panic();
    }
    HC_Panic
};
