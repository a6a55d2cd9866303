//! Mounts core's sources under this crate's `sync`.

fn main() {
    ha_mount::Core::beside_the_caller().write();
}
