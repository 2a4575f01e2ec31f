#![cfg(test)]
//! pages
