//! The launcher's own allocator: blocks grow, keep what is in them, and never lie on each other. A file of its own, since
//! it serves one thread.
#![allow(unsafe_code, reason = "an allocator takes pointers")]

use msb_sys::start::Memory;
use std::alloc::{GlobalAlloc, Layout};

/// A block, and the byte that fills it.
struct Block {
    at: *mut u8,
    layout: Layout,
    byte: u8,
}

impl Block {
    fn new(bytes: usize, byte: u8) -> Block {
        let layout = Layout::from_size_align(bytes, 8).expect("a layout");
        // SAFETY: it has a size.
        let at = unsafe { Memory.alloc(layout) };
        assert!(!at.is_null());
        let block = Block { at, layout, byte };
        block.fill(0);
        block
    }

    fn fill(&self, from: usize) {
        // SAFETY: the block is that long, and this test's alone.
        unsafe { self.at.wrapping_add(from).write_bytes(self.byte, self.layout.size() - from) };
    }

    /// Gives it another size; what it had stays, as far as it fits.
    fn resize(&mut self, bytes: usize) {
        let kept = self.layout.size().min(bytes);
        // SAFETY: the block has this layout, and the new size is not 0.
        self.at = unsafe { Memory.realloc(self.at, self.layout, bytes) };
        assert!(!self.at.is_null());
        self.layout = Layout::from_size_align(bytes, 8).expect("a layout");
        self.check(kept);
        self.fill(kept);
    }

    fn check(&self, length: usize) {
        // SAFETY: the block is at least that long, and was filled.
        let bytes = unsafe { std::slice::from_raw_parts(self.at, length) };
        assert!(bytes.iter().all(|byte| *byte == self.byte), "block {} has another's bytes", self.byte);
    }
}

#[test]
fn blocks_grow_and_never_meet() {
    let mut blocks: Vec<Block> = Vec::new();
    let mut state = 0x9e37_79b9_u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).expect("fits") % bound
    };
    for round in 0..4000_u32 {
        let bytes = 1 + next(600);
        match next(4) {
            0 if blocks.len() < 200 => blocks.push(Block::new(bytes, (round % 251) as u8)),
            1 if !blocks.is_empty() => {
                let gone = blocks.swap_remove(next(blocks.len()));
                // SAFETY: it came from there with this layout, and nobody uses it any more.
                unsafe { Memory.dealloc(gone.at, gone.layout) };
            }
            // The last that was cut grows in place, others move.
            2 if !blocks.is_empty() => {
                let which = next(blocks.len());
                blocks[which].resize(bytes);
            }
            _ => {
                if let Some(last) = blocks.last_mut() {
                    last.resize(last.layout.size() * 2);
                    last.resize(bytes);
                }
            }
        }
        blocks.iter().for_each(|block| block.check(block.layout.size()));
    }
    let small = Layout::from_size_align(16, 8).expect("a layout");
    // SAFETY: it has a size.
    let block = unsafe { Memory.alloc(small) };
    // SAFETY: the block has this layout; there is no room for so much.
    assert!(unsafe { Memory.realloc(block, small, 9 << 20) }.is_null());
}
