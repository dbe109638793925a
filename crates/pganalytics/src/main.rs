//! The one binary: arguments, subcommands, demo. Data goes to standard output, logs to standard error.
//!
//! Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 degraded (`collector check`, `report`).

mod arguments;
mod collector_commands;
mod custom_sets;
mod demo;
mod generate;
mod load;
mod logging;
mod output;
mod reload;
mod report;
mod server_commands;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Collector(command) => collector_commands::run(command),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Server { print_config } => server_commands::serve(print_config),
        Command::Report(arguments) => report::run(&arguments),
        Command::Load(arguments) => load::run(*arguments),
        Command::Migrate => server_commands::migrate(),
        Command::Admin(command) => server_commands::admin(command),
        Command::Generate { root } => generate::run(&root),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}
