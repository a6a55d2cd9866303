//! The success path as compiled: what it consists of, and what must not be in it.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::figures::{Figure, Unit};

/// Reads the library's machine code. Nothing where the processor is another one than x86-64.
pub(crate) fn figures(library: &Path) -> io::Result<Vec<Figure>> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(Vec::new());
    }
    let code = Code::of(library)?;
    let mut figures = Vec::new();
    for name in ["write", "read"] {
        let path = code.success_path(library, name)?;
        let straight = path.cover.iter().position(|line| line.starts_with("jmp") && line.contains('*'));
        let straight = straight.map_or(f64::NAN, |position| (position + 1) as f64);
        figures.push(Figure::new(format!("{name}: straight to libc"), straight, Unit::Instructions));
        let all = path.cover.iter().chain(&path.body);
        for (what, is_it) in FORBIDDEN {
            let count = all.clone().filter(|line| is_it(line)).count();
            figures.push(Figure::new(format!("{name}: {what}"), count as f64, Unit::Count));
        }
    }
    Ok(figures)
}

/// A name, and what it is the name of.
type Forbidden = (&'static str, fn(&str) -> bool);

/// What would make the path wait for other processors, or other processors wait for it.
const FORBIDDEN: [Forbidden; 3] = [
    ("locked instructions", |line| line.starts_with("lock") || line.starts_with("xchg") && line.contains('(')),
    ("thread-locals", |line| THREAD_LOCAL.iter().any(|sign| line.contains(sign))),
    ("writes outside of the stack", |line| writes_memory(line) && !line.ends_with("(%rsp)")),
];

/// How a thread-local is found: by the segment, or in a library by a call that returns its address or how far away it is.
const THREAD_LOCAL: [&str; 4] = ["%fs:", "%gs:", "__tls_get_addr", "tlsdesc"];

fn writes_memory(line: &str) -> bool {
    let Some((operation, operands)) = line.split_once(char::is_whitespace) else { return false };
    // What has memory for its last operand writes to it, but for what only reads or only computes an address.
    let reads_only =
        ["cmp", "test", "bt ", "lea", "call", "jmp", "push", "nop", "prefetch", "mul", "imul", "div", "idiv"];
    let operands = operands.trim_end();
    operands.ends_with(')') && !reads_only.iter().any(|prefix| line.starts_with(prefix)) && !operation.starts_with("cs")
}

struct SuccessPath {
    cover: Vec<String>,
    body: Vec<String>,
}

/// Functions by address.
struct Code(HashMap<u64, Vec<String>>);

impl Code {
    fn of(library: &Path) -> io::Result<Self> {
        let listing = said_by("objdump", &["-d", "--no-show-raw-insn"], library)?;
        let mut functions = HashMap::new();
        let mut function: Option<(u64, Vec<String>)> = None;
        for line in listing.lines() {
            if let Some(address) = line.strip_suffix(">:").and_then(|line| line.split_once(' ')) {
                functions.extend(function.take());
                function = u64::from_str_radix(address.0, 16).ok().map(|address| (address, Vec::new()));
            } else if let (Some((_, lines)), Some((_, instruction))) = (&mut function, line.split_once(":\t")) {
                // What stands behind a sign is the disassembler's comment.
                let instruction = instruction.split(" #").next().unwrap_or_default().trim();
                lines.push(instruction.to_owned());
            }
        }
        functions.extend(function);
        Ok(Self(functions))
    }

    /// The cover, and the function it jumps to when the number is covered.
    fn success_path(&self, library: &Path, name: &str) -> io::Result<SuccessPath> {
        let broken = |what: &str| io::Error::other(format!("{name} in the listing of {}: {what}", library.display()));
        let symbols = said_by("nm", &["-D", "--defined-only"], library)?;
        let address = symbols.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.next()?;
            (words.nth(1)? == name).then(|| u64::from_str_radix(address, 16).ok())?
        });
        let cover = address.and_then(|address| self.0.get(&address)).ok_or_else(|| broken("no such function"))?;
        let inside = |line: &&String| line.starts_with('j') && !line.contains('*');
        let targets = cover.iter().filter(inside).filter_map(|line| target(line));
        let body = targets.into_iter().find_map(|target| self.0.get(&target));
        let body = body.ok_or_else(|| broken("it leads to no other function"))?;
        Ok(SuccessPath { cover: cover.clone(), body: body.clone() })
    }
}

/// Where a direct jump leads.
fn target(line: &str) -> Option<u64> {
    u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok()
}

fn said_by(program: &str, arguments: &[&str], library: &Path) -> io::Result<String> {
    let output = Command::new(program).args(arguments).arg(library).output().map_err(|why| {
        io::Error::new(why.kind(), format!("{program} (binutils) reads the machine code and cannot be run: {why}"))
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(what: &str, line: &str) -> bool {
        FORBIDDEN.iter().any(|(name, is_it)| *name == what && is_it(line))
    }

    #[test]
    fn what_waits_for_others_is_found() {
        assert!(is("locked instructions", "lock cmpxchg %rcx,(%rdi)"));
        assert!(is("locked instructions", "xchg   %rax,(%rdi)"));
        assert!(is("thread-locals", "mov    %fs:0x0,%rax"));
        assert!(is("thread-locals", "call   8f040 <__tls_get_addr@plt>"));
        assert!(is("writes outside of the stack", "mov    %rax,0x10(%rdi)"));
        assert!(is("writes outside of the stack", "mov    %rax,0x91a83(%rip)"));
        assert!(is("writes outside of the stack", "sete   0x10(%rdi)"));
        assert!(is("writes outside of the stack", "movsb  %ds:(%rsi),%es:(%rdi)"));
    }

    #[test]
    fn what_concerns_nobody_else_is_left_alone() {
        assert!(!is("locked instructions", "xchg   %ax,%ax"));
        assert!(!is("writes outside of the stack", "mov    %rsi,0x8(%rsp)"));
        assert!(!is("writes outside of the stack", "mov    (%rax,%rcx,1),%rcx"));
        assert!(!is("writes outside of the stack", "movzbl 0x8(%rax),%eax"));
        assert!(!is("writes outside of the stack", "cmp    %rbx,0x8(%rax)"));
        assert!(!is("writes outside of the stack", "cs nopw 0x0(%rax,%rax,1)"));
        assert!(!is("writes outside of the stack", "jmp    *0x91a83(%rip)"));
    }
}
