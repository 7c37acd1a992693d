//! Ports as they are, not as they are written: whoever listens now, and the compose file that is shipped.

use std::net::TcpListener;

use super::{
    fixture::{Site, have},
    sshd::free_port,
};
use crate::support::runner::Root;

fn compose(port: u16) -> String {
    format!(
        "services:\n  live:\n    image: x\n    user: \"1000\"\n    ports:\n      - \"127.0.0.1:{port}:80\"\n"
    )
}

/// The file is innocent, and somebody listens on all addresses.
#[test]
fn u10_a_port_that_the_world_can_reach_now_is_refused() {
    let Some(site) = Site::new() else { return };
    if !have(&["ss", "docker-compose"]) {
        return;
    }
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    site.write("docker-compose.yml", &compose(port));
    site.commit("compose");
    site.check().passes().lacks("public-port");
    drop(held);
    let open = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let wide = format!("0.0.0.0:{port}");
    site.check().refuses("public-port", &["now, as", &wide]);
    let public = format!("[{port}]");
    site.check_with(&[("deploy-check.ports.public", &public)]).passes().lacks("public-port");
    // Who listens on a port that no container of ours would take is not our business.
    site.write("docker-compose.yml", &compose(free_port()));
    site.commit("another port");
    site.check().passes().lacks("public-port");
    drop(open);
}

#[test]
fn the_ports_of_the_shipped_compose_file_are_known_where_docker_is() {
    if !have(&["docker-compose"]) {
        return;
    }
    let root = Root::new();
    root.write("docker-compose.yml", include_str!("../../../docker-compose.yml"));
    let ports = || {
        let skip =
            "preflight.skip=[\"tools\",\"folders\",\"owners\",\"env\",\"git\",\"manifests\"]";
        let ran = root.call("run preflight --json --set").arg(skip).run();
        let checks = ran.json()["report"]["checks"].as_array().unwrap().clone();
        let found = checks.into_iter().find(|check| check["name"] == "ports");
        found.unwrap_or_else(|| panic!("{ran}"))
    };
    let found = ports();
    assert_eq!((&found["level"], &found["value"]), (&"ok".into(), &"3 named".into()), "{found}");
    root.write(".env", "JUPYTER_BIND_ADDR=0.0.0.0\n");
    let found = ports();
    assert!(found["level"] == "fail" && found["value"].to_string().contains("lab: "), "{found}");
}
