//! The names that a library exports.

use std::path::Path;

use object::read::elf::{ElfFile64, FileHeader, Sym};
use object::{Endianness, elf};

/// A name in the dynamic symbol table of a library.
pub(crate) struct Symbol {
    pub(crate) name: String,
    /// A program that is linked today can refer to it.
    pub(crate) public: bool,
}

/// The dynamic symbols that a library defines.
pub(crate) fn defined_in(library: &Path) -> Vec<Symbol> {
    let bytes = std::fs::read(library).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    let endian = file.endian();
    let sections = file.elf_header().sections(endian, &*bytes).unwrap();
    let symbols = sections.symbols(endian, &*bytes, elf::SHT_DYNSYM).unwrap();
    let versions = sections.versions(endian, &*bytes).unwrap();
    let is_public = |index| {
        let Some(versions) = &versions else { return true };
        let version = versions.version_index(endian, index);
        let name = versions.version(version.into()).unwrap().map_or(&b""[..], object::read::elf::Version::name);
        !version.is_hidden() && name != b"GLIBC_PRIVATE"
    };
    symbols
        .enumerate()
        .filter(|(_, symbol)| !symbol.is_undefined(endian) && !symbol.is_local())
        .map(|(index, symbol)| Symbol {
            name: String::from_utf8(symbol.name(endian, symbols.strings()).unwrap().to_vec()).unwrap(),
            public: is_public(index),
        })
        .collect()
}
