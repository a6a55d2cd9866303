//! What an ELF file says about how it wants to be started.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use object::elf::{self, FileHeader32, FileHeader64, FileType, Machine};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadCache};

/// The four bytes that every ELF file starts with.
pub(super) const MAGIC: &[u8] = b"\x7fELF";

/// The parts of an ELF header, and of the program headers, that decide whether libha can be loaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) target: Target,
    kind: FileType,
    /// The loader that the kernel starts in front of the program (PT_INTERP).
    pub(super) loader: Option<PathBuf>,
}

/// What code is made for: only code for the same target can live in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    machine: Machine,
    is_64: bool,
    is_little_endian: bool,
}

impl Image {
    /// Reads the headers, and nothing else, so that the size of the file does not matter.
    pub(super) fn read(file: File) -> object::Result<Self> {
        let file = ReadCache::new(file);
        match object::FileKind::parse(&file)? {
            object::FileKind::Elf32 => Self::from_header::<FileHeader32<Endianness>>(&file),
            _ => Self::from_header::<FileHeader64<Endianness>>(&file),
        }
    }

    fn from_header<Header: FileHeader<Endian = Endianness>>(file: &ReadCache<File>) -> object::Result<Self> {
        let header = Header::parse(file)?;
        let endian = header.endian()?;
        let mut loader = None;
        for segment in header.program_headers(endian, file)? {
            if let Some(path) = segment.interpreter(endian, file)? {
                loader = Some(PathBuf::from(OsStr::from_bytes(path)));
                break;
            }
        }
        let target = Target {
            machine: header.e_machine(endian),
            is_64: header.is_class_64(),
            is_little_endian: header.is_little_endian(),
        };
        Ok(Self { target, kind: header.e_type(endian), loader })
    }

    /// Whether the kernel can start it.
    pub(super) fn is_program(&self) -> bool {
        matches!(self.kind, elf::ET_EXEC | elf::ET_DYN)
    }

    /// Whether the loader can load it into a program.
    pub(super) fn is_library(&self) -> bool {
        self.kind == elf::ET_DYN
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.is_64 { 64 } else { 32 };
        let order = if self.is_little_endian { "" } else { " big-endian" };
        write!(out, "{bits}-bit{order} ")?;
        match self.machine {
            elf::EM_386 => write!(out, "x86"),
            elf::EM_X86_64 => write!(out, "x86-64"),
            elf::EM_ARM => write!(out, "ARM"),
            elf::EM_AARCH64 => write!(out, "AArch64"),
            elf::EM_RISCV => write!(out, "RISC-V"),
            other => write!(out, "machine number {}", other.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A file whose first bytes are those of `/bin/true`, changed.
    fn altered(change: impl FnOnce(&mut Vec<u8>)) -> object::Result<Image> {
        let mut bytes = std::fs::read("/bin/true").unwrap();
        change(&mut bytes);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        Image::read(file)
    }

    fn image(path: &str) -> Image {
        Image::read(File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn a_dynamically_linked_program_names_its_loader() {
        let image = image("/bin/true");
        assert!(image.is_program());
        let loader = image.loader.unwrap();
        assert!(loader.to_str().unwrap().contains("/ld-"), "{loader:?}");
    }

    #[test]
    fn a_loader_has_no_loader() {
        let loader = image("/bin/true").loader.unwrap();
        let image = image(loader.to_str().unwrap());
        assert_eq!(image.loader, None);
        assert!(image.is_library());
    }

    #[test]
    fn code_for_another_machine_has_another_target() {
        let native = image("/bin/true").target;
        // Bytes 18 and 19 are e_machine.
        let other = altered(|bytes| bytes[18..20].copy_from_slice(&[0xf3, 0])).unwrap().target;
        assert_ne!(other, native);
        assert_eq!(other.to_string(), "64-bit RISC-V");
    }

    #[test]
    fn a_relocatable_file_is_neither_program_nor_library() {
        // Byte 16 is e_type; 1 is ET_REL.
        let image = altered(|bytes| bytes[16] = 1).unwrap();
        assert!(!image.is_program() && !image.is_library());
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        assert!(altered(|bytes| bytes.truncate(70)).is_err());
        assert!(altered(|bytes| bytes.truncate(5)).is_err());
        assert!(altered(Vec::clear).is_err());
    }
}
