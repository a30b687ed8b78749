//! Compiles the wire schema in pure Rust, so that nobody installs protoc, and lists its methods for
//! the table of who may call them.

use std::fmt::Write as _;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["rounds", "enrolment", "desk"].map(|name| format!("motet/v1/{name}.proto"));
    for file in &files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["."])?;
    let mut methods = String::from(
        "/// Every method of the compiled schema: its path, and whether its request is a stream.\n",
    );
    methods.push_str("pub const METHODS: &[(&str, bool)] = &[\n");
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                writeln!(methods, "    (\"{path}\", {}),", method.client_streaming())?;
            }
        }
    }
    methods.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(PathBuf::from(out).join("methods.rs"), methods)?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
