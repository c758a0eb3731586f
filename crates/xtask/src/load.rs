use crate::{
    servers::Servers,
    workspace::{self, Workspace},
};

/// Sends a load to the address among `args`, or else to a gateway and a model server of its own.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<(), String> {
    let build = |args: &[&str]| {
        let mut cargo = workspace.cargo();
        workspace::run(cargo.args(["build", "--locked", "--release"]).args(args))
    };
    build(&["-p", "dashpot-testkit", "--features", "load", "--bin", "load"])?;
    let built = workspace.target.join("release");
    let mut load = workspace.command(built.join("load"));
    load.args(args);
    let is_flag = |arg: &String, flag: &str| arg == flag || arg.split('=').next() == Some(flag);
    if args.iter().any(|arg| ["--url", "--help", "-h"].iter().any(|flag| is_flag(arg, flag))) {
        return workspace::run(&mut load);
    }
    build(&["-p", "dashpot-testkit", "--bin", "model-server"])?;
    build(&["--example", "gateway"])?;
    let servers = Servers::start(workspace, &built)?;
    load.args(["--url", &servers.url]);
    workspace::run(&mut load)
}
