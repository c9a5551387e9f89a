//! Plain exports: the host has room made for a question, writes it there, and is told where the answer is.

#![allow(unsafe_code, reason = "an export keeps its name only by an attribute that counts as unsafe")]

use std::cell::RefCell;

use tidegate_conformance::answer;

thread_local! {
    static QUESTION: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for a question of `length` bytes and returns its address.
#[unsafe(no_mangle)]
extern "C" fn conformance_question(length: u32) -> u32 {
    QUESTION.with_borrow_mut(|question| {
        question.clear();
        question.resize(length as usize, 0);
        question.as_mut_ptr() as u32
    })
}

/// Answers the question; address and length of the answer are the upper and the lower half of the result.
#[unsafe(no_mangle)]
extern "C" fn conformance_answer() -> u64 {
    let bytes = QUESTION.with_borrow(|question| answer(question));
    ANSWER.with_borrow_mut(|answer| {
        *answer = bytes;
        (answer.as_ptr() as u64) << 32 | answer.len() as u64
    })
}
