//! What the images promise: built from what is listed and nothing else, run by nobody's root, made of pinned parts.

use super::compose::text;

/// What may be copied into an image.
const COPIED: [&str; 9] = [
    "!Cargo.toml",
    "!Cargo.lock",
    "!build.rs",
    "!src",
    "!jobs",
    "!profiles",
    "!strategies",
    "!ops/lab",
    "!target/image/runner",
];
/// What may not, even inside of it.
const PRIVATE: [&str; 4] = ["**/.env*", "**/.git*", "**/*.key", "**/*.pem"];

/// Every promise that a Dockerfile breaks.
fn problems(dockerfile: &str) -> Vec<&'static str> {
    let steps: Vec<String> = dockerfile
        .replace("\\\n", " ")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let of = |word: &str| -> Vec<&str> {
        steps.iter().filter_map(|step| step.strip_prefix(word)?.strip_prefix(' ')).collect()
    };
    let last_stage = steps.iter().rposition(|step| step.starts_with("FROM ")).unwrap_or(0);
    let user = steps[last_stage..].iter().rfind(|step| step.starts_with("USER "));
    let unpinned = |image: &str| !image.contains(':') || image.ends_with(":latest");
    let args = of("ARG");
    let default = |name: &str| {
        args.iter().filter_map(|arg| arg.strip_prefix(name)?.strip_prefix('=')).next_back()
    };
    let exec_form = |step: &&str| step.starts_with('[');
    let checks = [
        (user.is_none_or(|user| user != "USER ${UID}:${GID}"), "it is not run by UID:GID"),
        (
            ["UID", "GID"].iter().any(|id| default(id) != Some("1000")),
            "UID or GID is root by default",
        ),
        (
            !dockerfile.contains("[ \"${UID}\" -gt 0 ] && [ \"${GID}\" -gt 0 ] || {"),
            "it can be built for root",
        ),
        (
            ["BASE", "LAB_BASE", "RUST"].iter().filter_map(|name| default(name)).any(unpinned),
            "a base without a tag",
        ),
        (
            of("FROM").iter().any(|image| {
                unpinned(image) && !image.contains("${") && !image.starts_with("scratch")
            }),
            "a base without a tag",
        ),
        (
            of("COPY").iter().any(|step| step.starts_with(". ")) || !of("ADD").is_empty(),
            "it copies more than is named",
        ),
        (!of("CMD").iter().chain(&of("ENTRYPOINT")).all(exec_form), "it takes a shell to start"),
        (
            dockerfile.contains("cargo build") && !dockerfile.contains("--locked"),
            "crates that are not those of Cargo.lock",
        ),
        (
            ["TOKEN", "SECRET", "PASSWORD"]
                .iter()
                .any(|word| of("ENV").iter().chain(&args).any(|step| step.contains(word))),
            "a secret in a layer",
        ),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, problem)| problem).collect()
}

#[test]
fn images_are_run_by_nobodys_root_and_made_of_pinned_parts() {
    for file in ["Dockerfile", "Dockerfile.lab"] {
        assert_eq!(problems(&text(file)), [""; 0], "{file}");
    }
}

#[test]
fn a_promise_of_an_image_that_is_broken_is_found() {
    let dockerfile = text("Dockerfile");
    let broken = [
        ("USER ${UID}:${GID}", "", "it is not run by UID:GID"),
        ("USER ${UID}:${GID}", "USER root", "it is not run by UID:GID"),
        ("ARG UID=1000", "ARG UID=0", "UID or GID is root by default"),
        ("[ \"${UID}\" -gt 0 ] && ", "", "it can be built for root"),
        ("debian:bookworm-slim", "debian:latest", "a base without a tag"),
        ("COPY jobs jobs", "COPY . .", "it copies more than is named"),
        ("ENTRYPOINT [\"runner\"]", "ENTRYPOINT runner", "it takes a shell to start"),
        (" --locked", "", "crates that are not those of Cargo.lock"),
        ("WORKDIR /box", "ENV JUPYTER_TOKEN=x", "a secret in a layer"),
    ];
    for (what, by, problem) in broken {
        assert!(dockerfile.contains(what), "the test breaks `{what}`, which is not there any more");
        let found = problems(&dockerfile.replace(what, by));
        assert!(found.contains(&problem), "{what}: {found:?}");
    }
}

#[test]
fn a_build_is_given_what_is_listed_and_nothing_private() {
    let ignored = text(".dockerignore");
    let rules: Vec<&str> =
        ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(rules, [["*"].as_slice(), &COPIED, &PRIVATE].concat());
}

#[test]
fn the_lab_lets_nobody_in_without_a_token_of_some_length() {
    let config = text("ops/lab/jupyter_server_config.py");
    for line in [
        "if len(token) < TOKEN_CHARS_MIN:",
        "sys.exit(",
        "c.IdentityProvider.token = token",
        "c.ServerApp.allow_root = False",
    ] {
        assert!(config.contains(line), "{line}");
    }
    for open in [
        "token = \"\"",
        "token = ''",
        "allow_unauthenticated_access",
        "disable_check_xsrf",
        "allow_remote_access",
        "allow_origin",
    ] {
        assert!(!config.contains(open), "{open}");
    }
}
