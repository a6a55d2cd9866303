//! The node list: from C's table of entries to nodes, each with what it has.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::mem::transmute;

use crate::values::{
    Code, HC_LISTEND, HC_NORMALFUNC, HC_NodelistNode_t, HC_NormalFunc_t, HC_POLICYFUNC, HC_PolicyFunc_t,
    HC_ROLLBACKFUNC, HC_RollbackFunc_t,
};

/// The functions of a node.
pub(crate) struct Functions {
    pub(crate) normal: HC_NormalFunc_t,
    pub(crate) rollback: Option<HC_RollbackFunc_t>,
    pub(crate) policy: Option<HC_PolicyFunc_t>,
}

/// The entries of one node. `None`: there is none; `Some(null)`: there is, and it says that there is no function.
#[derive(Default)]
struct Entries {
    normal: Option<*mut c_void>,
    rollback: Option<*mut c_void>,
    policy: Option<*mut c_void>,
}

impl Entries {
    fn add(&mut self, kind: c_int, function: *mut c_void) -> Result<(), Code> {
        let entry = match kind {
            HC_NORMALFUNC => &mut self.normal,
            HC_ROLLBACKFUNC => &mut self.rollback,
            HC_POLICYFUNC => &mut self.policy,
            _ => return Err(Code::BadKind),
        };
        if entry.replace(function).is_some() { Err(Code::Duplicate) } else { Ok(()) }
    }

    /// # Safety
    ///
    /// Each entry that is not null points to a function of the type that belongs to its kind.
    unsafe fn functions(&self) -> Result<Functions, Code> {
        let there = |entry: Option<*mut c_void>| entry.filter(|function| !function.is_null());
        let normal = there(self.normal).ok_or(Code::NoNormalFunction)?;
        Ok(Functions {
            // SAFETY: not null, and by the caller of this type. So are the two below.
            normal: unsafe { transmute::<*mut c_void, HC_NormalFunc_t>(normal) },
            // SAFETY: as above.
            rollback: there(self.rollback).map(|it| unsafe { transmute::<*mut c_void, HC_RollbackFunc_t>(it) }),
            // SAFETY: as above.
            policy: there(self.policy).map(|it| unsafe { transmute::<*mut c_void, HC_PolicyFunc_t>(it) }),
        })
    }
}

/// Reads a list to its end.
///
/// # Safety
///
/// `list` is null or a list as `checkpoint.h` describes it, up to an entry whose kind is none of a function.
pub(crate) unsafe fn read(list: *const HC_NodelistNode_t) -> Result<BTreeMap<c_int, Functions>, Code> {
    if list.is_null() {
        return Err(Code::NoList);
    }
    let mut nodes = BTreeMap::<c_int, Entries>::new();
    for at in 0.. {
        // SAFETY: the entries before it belong to functions, so it is part of the list.
        let entry = unsafe { list.add(at) };
        // SAFETY: as above.
        let HC_NodelistNode_t { node, kind, function } = unsafe { entry.read() };
        if kind == HC_LISTEND {
            break;
        }
        if node == 0 {
            return Err(Code::Reserved);
        }
        nodes.entry(node).or_default().add(kind, function)?;
    }
    if nodes.is_empty() {
        return Err(Code::NoList);
    }
    // SAFETY: the caller's list.
    nodes.into_iter().map(|(node, entries)| Ok((node, unsafe { entries.functions() }?))).collect()
}
