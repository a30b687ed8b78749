//! The program `motet` as the journeys start it.

#[global_allocator]
static ALLOCATOR: motet_proto::process::Allocator = motet_proto::process::WIPES;

fn main() -> std::process::ExitCode {
    motet::main()
}
