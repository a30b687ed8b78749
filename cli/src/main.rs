//! The binary `motet`.

fn main() -> std::process::ExitCode {
    motet::main()
}
