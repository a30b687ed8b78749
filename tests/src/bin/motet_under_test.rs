//! The program `motet` as the journeys start it.

fn main() -> std::process::ExitCode {
    motet::main()
}
