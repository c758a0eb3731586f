use crate::{
    servers::Servers,
    workspace::{self, Workspace},
};

/// Starts both servers, says how to try them, and waits until one of them ends.
///
/// A development build: it is there in a fraction of the time, and what the page shows are the model's milliseconds,
/// beside which the gateway's microseconds do not count.
pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    let mut build = workspace.cargo();
    build.args(["build", "--locked", "--workspace", "--bin", "model-server", "--example", "gateway"]);
    workspace::run(&mut build)?;
    let servers = Servers::start(workspace, &workspace.target.join("debug"))?;
    println!("{}", greeting(&servers.url));
    servers.wait()
}

fn greeting(page: &str) -> String {
    let question = r#"{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    format!(
        "\nThe page:  {page}/\nA stream:  curl -N {page}/v1/chat/completions -H 'content-type: application/json' \
         -d '{question}'\nMetrics:   {page}/metrics\n\nCtrl-c ends both servers.\n"
    )
}
