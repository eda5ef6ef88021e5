//! What a process does with the memory that it has freed.
//!
//! Only the GNU C library is told; the allocators of other systems are left as they are. Results do
//! not depend on it.

/// For a process that handles one case after the other: blocks of up to 32 MiB (the most that the
/// allocator takes) stay on the heap once they are freed.
///
/// Every lesion needs the same arrays again. Asked of the system anew, each of their pages is
/// cleared and mapped at first touch, one thread at a time: a tenth of the time on large regions.
pub fn keep_freed_blocks() {
    tell(32 << 20, i32::MAX);
}

/// For a long cohort: images go back to the system as soon as they are freed, so that the resident
/// size is that of the cases in flight.
///
/// By itself the allocator takes large blocks from its heap too once the first one was freed
/// (mallopt(3), "dynamic mmap threshold"). The small results of later cases then leave the heap in
/// pieces that no image fits, and it grows from case to case.
pub fn return_freed_images() {
    tell(4 << 20, 64 << 20);
}

/// Blocks of at least `own_mapping` bytes are mapped one by one; the heap shrinks when more than
/// `kept` bytes at its end are free.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn tell(own_mapping: i32, kept: i32) {
    #[allow(unsafe_code, reason = "the allocator is the C library's")]
    // SAFETY: mallopt sets numbers under the allocator's own lock; any value is allowed.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, own_mapping);
        libc::mallopt(libc::M_TRIM_THRESHOLD, kept);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn tell(_own_mapping: i32, _kept: i32) {}
