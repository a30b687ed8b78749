//! What the methods share: each file stands by itself or on another one here, and knows no method.

pub(crate) mod tensor;
