//! Boxes whose content is made where it stays.

use std::pin::Pin;

/// A large value in a box. `Box::new` makes it on the stack first and then copies all of it.
pub(crate) fn made<T>(make: impl FnOnce() -> T) -> Box<T> {
    Box::write(Box::new_uninit(), make())
}

/// The same for a future, whose thousands of bytes are mostly unused before it begins.
pub(crate) fn pinned<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(made(make))
}
