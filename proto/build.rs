//! Compiles the wire schema in pure Rust, so that nobody installs protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["rounds", "enrolment", "desk"].map(|name| format!("motet/v1/{name}.proto"));
    for file in &files {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(&files, ["."])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
