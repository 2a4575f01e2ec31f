//! Prints the admin API's description: `cargo run -p goodgate-admin --example openapi > crates/admin/openapi.json`.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    print!("{}", admin::openapi_json());
}
