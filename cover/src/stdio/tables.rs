//! libc's stdio jump tables: found in its data, and changed.
//!
//! A FILE of glibc points at a table of functions, and the tables for files, wide files, mapped files and popen's pipes
//! share those that use the descriptor. No other word of libc's data holds them, so the words that are equal to one of
//! them are its slots. (Mapped files and popen's pipes have functions of their own for close, which are not exported:
//! these stay.) The slots lie in the part that ld.so has made read-only (RELRO), which is made writable while they are
//! written. The tables stay where they are, so glibc's check that a FILE points at one of its tables still passes.
//!
//! Other threads may call through the tables at the same time: each slot is changed by one store, and either will do.
//!
//! # Safety
//!
//! ld.so gives the places of a loaded object's segments, and libc is never unloaded.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;
use std::ops::Range;
use std::ptr::with_exposed_provenance;
use std::slice::from_raw_parts;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{Elf64_Phdr, PF_X, PT_GNU_RELRO, PT_LOAD, dl_phdr_info};
use rustix::io::Errno;
use rustix::mm::{MprotectFlags, mprotect};

/// A FILE. What follows its flags is libc's own.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Stream {
    pub(crate) flags: c_int,
    _rest: [u8; 0],
}

pub(crate) type ReadSlot = unsafe extern "C-unwind" fn(*mut Stream, *mut c_void, isize) -> isize;
pub(crate) type WriteSlot = unsafe extern "C-unwind" fn(*mut Stream, *const c_void, isize) -> isize;
pub(crate) type SeekSlot = unsafe extern "C-unwind" fn(*mut Stream, i64, c_int) -> i64;
pub(crate) type CloseSlot = unsafe extern "C-unwind" fn(*mut Stream) -> c_int;
pub(crate) type StatSlot = unsafe extern "C-unwind" fn(*mut Stream, *mut c_void) -> c_int;

/// The functions of one FILE's descriptor, as libc's jump tables hold them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots {
    pub(crate) read: ReadSlot,
    pub(crate) write: WriteSlot,
    pub(crate) seek: SeekSlot,
    pub(crate) close: CloseSlot,
    pub(crate) stat: StatSlot,
}

/// How many slots of each kind hold ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Patched {
    pub(crate) read: usize,
    pub(crate) write: usize,
    pub(crate) seek: usize,
    pub(crate) close: usize,
    pub(crate) stat: usize,
}

/// Why the tables were left as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// One of the five functions does not exist, or they are not of one and the same library.
    #[error("libc's _IO_file_ functions are missing or replaced: use glibc, and no other preload that defines them")]
    Symbols,
    /// The table of standard output is not where libc keeps it, or holds functions that are not libc's.
    #[error("libc's stdio tables are not in its read-only data or are changed already: preload libha once and alone")]
    Tables,
    /// The kernel did not let the tables be made writable, or read-only again.
    #[error("libc's stdio tables cannot be written ({0}): allow mprotect on libc's data, or do without stdio covered")]
    Protection(Errno),
}

/// libc's own functions.
pub(crate) fn originals() -> Option<Slots> {
    let [read, write] = [symbol(c"_IO_file_read")?, symbol(c"_IO_file_write")?];
    let [seek, close, stat] = [symbol(c"_IO_file_seek")?, symbol(c"_IO_file_close")?, symbol(c"_IO_file_stat")?];
    Some(Slots {
        // SAFETY: glibc declares `_IO_file_read` so, and exports it since its first version.
        read: unsafe { transmute::<*mut c_void, ReadSlot>(read) },
        // SAFETY: the same of `_IO_file_write`.
        write: unsafe { transmute::<*mut c_void, WriteSlot>(write) },
        // SAFETY: the same of `_IO_file_seek`.
        seek: unsafe { transmute::<*mut c_void, SeekSlot>(seek) },
        // SAFETY: the same of `_IO_file_close`.
        close: unsafe { transmute::<*mut c_void, CloseSlot>(close) },
        // SAFETY: the same of `_IO_file_stat`.
        stat: unsafe { transmute::<*mut c_void, StatSlot>(stat) },
    })
}

/// Puts `ours` in place of `originals` in every table: in all of them, or in none.
///
/// Slots that hold `ours` already are counted, and those that hold anything else are left alone.
pub(crate) fn patch(originals: &Slots, ours: &Slots) -> Result<Patched, Refused> {
    let (originals, ours) = (originals.addresses(), ours.addresses());
    let relro = relro_around(originals).ok_or(Refused::Symbols)?;
    let table = standard_table(relro).ok_or(Refused::Tables)?;
    // A table that lacks one of the five is not what it is taken for, or another library has put its own there.
    if count(table, originals).into_iter().zip(count(table, ours)).any(|found| found == (0, 0)) {
        return Err(Refused::Tables);
    }
    replace(relro, originals, ours).map_err(Refused::Protection)?;
    let [read, write, seek, close, stat] = count(relro, ours);
    Ok(Patched { read, write, seek, close, stat })
}

type Address = *mut c_void;
type Word = AtomicPtr<c_void>;

impl Slots {
    fn addresses(&self) -> [Address; 5] {
        let Self { read, write, seek, close, stat } = *self;
        [read as Address, write as Address, seek as Address, close as Address, stat as Address]
    }
}

/// The first of this name after this library: libc's, unless another preload is in between.
fn symbol(name: &CStr) -> Option<Address> {
    // SAFETY: the name ends with a zero byte.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// The read-only data of the library that all these functions belong to.
fn relro_around(functions: [Address; 5]) -> Option<&'static [Word]> {
    struct Search {
        functions: [Address; 5],
        relro: Option<Range<usize>>,
    }

    unsafe extern "C" fn visit(library: *mut dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
        // SAFETY: dl_iterate_phdr passes what describes one library.
        let library = unsafe { &*library };
        // SAFETY: dl_iterate_phdr passes on what it was given, which nobody else has while it runs.
        let search = unsafe { &mut *search.cast::<Search>() };
        // SAFETY: the library has so many headers.
        let headers = unsafe { from_raw_parts(library.dlpi_phdr, library.dlpi_phnum.into()) };
        let place = |header: &Elf64_Phdr| {
            let start = library.dlpi_addr.wrapping_add(header.p_vaddr) as usize;
            start..start.wrapping_add(header.p_memsz as usize)
        };
        let has = |function: Address| {
            let is_code = |header: &&Elf64_Phdr| header.p_type == PT_LOAD && header.p_flags & PF_X != 0;
            headers.iter().filter(is_code).any(|header| place(header).contains(&function.addr()))
        };
        if !search.functions.into_iter().all(has) {
            return 0;
        }
        search.relro = headers.iter().find(|header| header.p_type == PT_GNU_RELRO).map(place);
        1
    }

    let mut search = Search { functions, relro: None };
    // SAFETY: `visit` is given `search`, and is not called after this.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    let words = protected(search.relro?, page_size());
    let count = words.end.checked_sub(words.start)? / size_of::<Word>();
    // SAFETY: ld.so keeps these words readable. They are aligned, and nobody changes them but by atomic stores.
    Some(unsafe { from_raw_parts(with_exposed_provenance(words.start), count) })
}

/// The words of a RELRO segment that ld.so has made read-only. It rounds the end down to a page.
const fn protected(segment: Range<usize>, page: usize) -> Range<usize> {
    segment.start.next_multiple_of(size_of::<Word>())..segment.end & page.wrapping_neg()
}

/// The kernel's page size, from where ld.so takes it.
fn page_size() -> usize {
    // SAFETY: getauxval has no preconditions.
    unsafe { libc::getauxval(libc::AT_PAGESZ) as usize }
}

/// The table of standard output, if it lies in the area.
fn standard_table(relro: &[Word]) -> Option<&[Word]> {
    /// `sizeof(FILE)` where pointers have 64 bits. The address of the FILE's table follows.
    const FILE: usize = 0xd8;
    /// Words of one table, `struct _IO_jump_t`.
    const TABLE: usize = 21;
    let place = symbol(c"_IO_2_1_stdout_")?.wrapping_byte_add(FILE).cast::<Address>();
    // SAFETY: this is libc's `struct _IO_FILE_plus` of a standard stream, which lives forever.
    let table = unsafe { AtomicPtr::from_ptr(place) }.load(Ordering::Relaxed);
    let offset = table.addr().checked_sub(relro.as_ptr().addr())?;
    let first = offset / size_of::<Word>();
    relro.get(first..first.checked_add(TABLE)?).filter(|_| offset.is_multiple_of(size_of::<Word>()))
}

/// How many words are equal to each function.
fn count(words: &[Word], functions: [Address; 5]) -> [usize; 5] {
    functions.map(|function| words.iter().filter(|word| word.load(Ordering::Relaxed) == function).count())
}

/// Replaces each word that is equal to one of `from` by that of `to`.
fn replace(relro: &[Word], from: [Address; 5], to: [Address; 5]) -> Result<(), Errno> {
    let is_slot = |word: &Word| from.contains(&word.load(Ordering::Relaxed));
    let first_and_last = relro.iter().position(is_slot).zip(relro.iter().rposition(is_slot));
    let Some(slots) = first_and_last.and_then(|(first, last)| relro.get(first..=last)) else { return Ok(()) };
    protect(slots, MprotectFlags::READ | MprotectFlags::WRITE)?;
    exchange(slots, from, to);
    protect(slots, MprotectFlags::READ).inspect_err(|_| exchange(slots, to, from))
}

fn exchange(words: &[Word], from: [Address; 5], to: [Address; 5]) {
    for word in words {
        let held = word.load(Ordering::Relaxed);
        if let Some((_, new)) = from.into_iter().zip(to).find(|(old, _)| *old == held) {
            // Release: what the new function relies on was made before it can be called.
            word.store(new, Ordering::Release);
        }
    }
}

/// Changes the protection of the pages that these words of RELRO are in. They end where RELRO ends, or before.
fn protect(words: &[Word], flags: MprotectFlags) -> Result<(), Errno> {
    let page = page_size();
    let Range { start, end } = words.as_ptr_range();
    let before = start.addr() % page;
    let length = (end.addr() - start.addr() + before).next_multiple_of(page);
    // SAFETY: ld.so has protected just these pages in the same way. They stay readable.
    unsafe { mprotect(start.wrapping_byte_sub(before).cast_mut().cast(), length, flags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 0x1000;

    #[test]
    fn a_relro_that_ends_with_a_page_is_protected_whole() {
        assert_eq!(protected(0x1c_f8d0..0x1d_3000, PAGE), 0x1c_f8d0..0x1d_3000);
    }

    #[test]
    fn the_last_page_is_left_out_where_writable_data_shares_it() {
        assert_eq!(protected(0x1c_f8d0..0x1d_3008, PAGE), 0x1c_f8d0..0x1d_3000);
        assert_eq!(protected(0x1c_f8d0..0x1d_3fff, PAGE), 0x1c_f8d0..0x1d_3000);
        assert_eq!(protected(0x1c_f8d0..0x1d_3000, 0x1_0000), 0x1c_f8d0..0x1d_0000);
    }

    #[test]
    fn a_relro_within_one_page_is_not_protected_at_all() {
        let words = protected(0x1c_f8d0..0x1c_ff00, PAGE);
        assert_eq!(words.end.checked_sub(words.start), None);
    }

    #[test]
    fn only_whole_words_are_looked_at() {
        assert_eq!(protected(0x1c_f8d1..0x1d_3000, PAGE), 0x1c_f8d8..0x1d_3000);
    }

    #[test]
    fn words_are_exchanged_only_where_equal() {
        let [ours, another] = [[10, 11, 12, 13, 14], [20, 21, 22, 23, 24]].map(addresses);
        let libcs = addresses([1, 2, 3, 4, 5]);
        let words = [libcs[0], another[1], ours[2], libcs[4], libcs[0]].map(Word::new);
        exchange(&words, libcs, ours);
        let after = words.map(Word::into_inner);
        assert_eq!(after, [ours[0], another[1], ours[2], ours[4], ours[0]]);
    }

    fn addresses(numbers: [usize; 5]) -> [Address; 5] {
        numbers.map(std::ptr::without_provenance_mut)
    }
}
