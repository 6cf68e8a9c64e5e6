//! The action as a runner takes it: it installs the program and runs it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use simulator::Script;
use tokio::net::TcpSocket;

use crate::support::binary;

use super::runner::*;
use super::*;

#[test]
fn cold_job_starts_a_task_and_a_warm_one_waits_for_it() {
    let program = std::fs::read(binary()).unwrap();
    let release = Release::of(&program);
    let simulator = world(with_pull());
    let door = Door::open(&simulator);
    let cold = Job::new(&release.manifest()).starting_at(&door).with("create-pull-request", "true");
    let ran = cold.run();
    let id = &simulator.tasks()[0].id;
    ran.exits(&[0, 0]).annotates_nothing().says("checked, fetched").says("concluded: success");
    ran.gives("task-id", id).gives("conclusion", "success").gives("pull-request-number", "12");
    ran.gives("created", "true").gives("started", "1").gives("error-message", "");
    assert_eq!(release.requests(), [format!("/{}", asset_name())]);
    assert!(cold.folder.read("runner/summary").contains("✅ Agent task completed"));
    // One file, under the hash that it was pinned by, in the tool cache.
    let manifest = release.manifest();
    let place = cold.folder.0.join("cache/agent-task/1.2.3").join(sha256(&program)).join("agent-task");
    assert_eq!((cold.folder.files("cache"), ran.path.as_str()), (vec![place.clone()], place.to_str().unwrap()));

    let warm = Job::new(&manifest).variable("RUNNER_TOOL_CACHE", &cold.folder.path("cache"));
    let warm = warm.starting_at(&door).with("prompt", "").with("command", "wait");
    let again = warm.with("task-id", &ran.outputs["results"]).run();
    again.exits(&[0, 0]).annotates_nothing().says("checked, from the cache");
    again.gives("task-id", id).gives("created", "false").gives("pull-request-number", "12");
    assert_eq!((again.path, release.requests().len()), (ran.path, 1));
}

#[test]
fn failing_conclusion_fails_the_action_and_leaves_its_outputs() {
    let simulator = world(Script::new().state("failed", Duration::ZERO));
    let door = Door::open(&simulator);
    let ran = Job::at(&door).run();
    ran.exits(&[0, 1]).says("::error title=Task failed::");
    ran.gives("task-id", &simulator.tasks()[0].id).gives("conclusion", "failure").gives("failed", "1");
    let refused = Job::at(&door).with("wait-timeout", "15").run();
    refused.exits(&[0, 2]).gives("task-id", "").gives("results", "[]");
    assert!(refused.outputs["error-message"].contains("wait-timeout: expected a duration with a unit"));
}

#[test]
fn interrupt_reaches_the_program_and_its_outputs_are_kept() {
    let simulator = world(Script::new().state("in_progress", Duration::ZERO));
    let door = Door::open(&simulator);
    let job = Job::at(&door);
    let folder = Arc::clone(&job.folder);
    let ran = job.run_and_interrupt("run", || folder.read("runner/summary").contains("`in_progress`"));
    ran.exits(&[0, 130]).gives("task-id", &simulator.tasks()[0].id).gives("conclusion", "");
    assert!(ran.outputs["error-message"].contains("nterrupt"), "{:?}", ran.outputs);
}

#[test]
fn interrupt_ends_a_download_at_once_and_leaves_nothing() {
    let release = Release::of(SMALL);
    let stalled = format!("{}/stalled", release.address);
    let job = Job::new(&release.manifest()).with("binary-base-url", &stalled);
    let ran = job.run_and_interrupt("install", || !release.requests().is_empty());
    ran.exits(&[130]).annotates_nothing();
    is_clean(&job);
}

#[test]
fn inputs_of_others_do_not_leak_in_and_the_token_does_not_leak_out() {
    let release = Release::of(SMALL);
    let job = Job::new(&release.manifest()).with("token", TOKEN);
    job.folder.write_program("bin/mktemp", "#!/bin/sh\nenv >\"$RUNNER_TEMP/seen\"\nPATH=/usr/bin:/bin mktemp \"$@\"\n");
    job.run().exits(&[0, 0]);
    let seen = job.folder.read("temp/seen");
    assert!(seen.contains("BINARY_VERIFY=true") && !seen.contains(TOKEN) && !seen.contains("INPUT_"), "{seen}");

    let door = Door::open(&world(with_pull()));
    for shell in shells() {
        let mut job = Job::at(&door).shell(&shell).with("dry-run", "true");
        job = job.with("prompt", "Mine\nINPUT_PROMPT=x\nINPUT_TOKEN=x\n$(exit 9)");
        for (name, value) in [
            ("INPUT_POLICY", "not available yet"),
            ("INPUT_BASE-REF", "no ref"),
            ("INPUT_base_ref", "no ref"),
            ("INPUT_HEAD_REF", "no ref"),
            ("INPUT_PROMPT", "theirs"),
            ("INPUT_COLOUR", "unknown"),
        ] {
            job = job.variable(name, value);
        }
        let ran = job.run();
        ran.exits(&[0, 0]).annotates_nothing();
        ran.says(r#"{"prompt":"Mine\nINPUT_PROMPT=x\nINPUT_TOKEN=x\n$(exit 9)"#);
    }
}

#[test]
fn any_shell_will_do() {
    for shell in shells() {
        let release = Release::of(SMALL);
        let job = || Job::new(&release.manifest()).shell(&shell);
        let cold = job();
        cold.run().exits(&[0, 0]).gives("task-id", "small").says("fetched");
        cold.run().exits(&[0, 0]).gives("task-id", "small").says("from the cache");
        let absent = job().with("binary-base-url", &format!("{}/none", release.address));
        absent.run().refuses("absent");
        is_clean(&absent);
        let stalled = job().with("binary-base-url", &format!("{}/stalled", release.address));
        stalled.run_and_interrupt("install", || release.requests().len() == 3).exits(&[130]).annotates_nothing();
        is_clean(&stalled);
        let simulator = world(Script::new().state("in_progress", Duration::ZERO));
        let door = Door::open(&simulator);
        let waiting = Job::at(&door).shell(&shell);
        let folder = Arc::clone(&waiting.folder);
        let ran = waiting.run_and_interrupt("run", || folder.read("runner/summary").contains("`in_progress`"));
        ran.exits(&[0, 130]).gives("task-id", &simulator.tasks()[0].id);
    }
}

#[test]
fn cached_file_that_was_changed_is_fetched_again() {
    let release = Release::of(SMALL);
    let job = Job::new(&release.manifest());
    let path = job.run().exits(&[0, 0]).gives("task-id", "small").path.clone();
    std::fs::write(&path, "#!/bin/sh\necho tampered\n").unwrap();
    let ran = job.run();
    ran.exits(&[0, 0]).gives("task-id", "small").says("fetched");
    assert_eq!((ran.path.as_str(), release.requests().len()), (path.as_str(), 2));
    assert_eq!((std::fs::read(&path).unwrap().as_slice(), job.folder.files("cache").len()), (SMALL, 1));
}

#[test]
fn file_with_another_hash_is_thrown_away() {
    let (release, tampered) = (Release::of(SMALL), Release::of(b"#!/bin/sh\necho tampered\n"));
    let job = Job::new(&release.manifest()).with("binary-base-url", &tampered.address);
    let ran = job.run();
    ran.refuses("tampered");
    is_clean(&job);
    assert_eq!((release.requests().len(), tampered.requests().len()), (0, 1));
    // And it keeps nothing from working when the right file is there.
    job.with("binary-base-url", &release.address).run().exits(&[0, 0]).gives("task-id", "small");
}

#[test]
fn absent_file_is_reported_after_one_request() {
    let release = Release::of(SMALL);
    let job = Job::new(&release.manifest()).with("binary-base-url", &format!("{}/v%0A1/", release.address));
    job.run().refuses("absent_at_an_odd_address");
    assert_eq!(release.requests(), [format!("/v%0A1/{}", asset_name())]);
    is_clean(&job);
}

#[test]
fn absent_network_is_reported_after_three_attempts() {
    // Nothing listens there, and no other process can take the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let nowhere = format!("http://{}", socket.local_addr().unwrap());
    let job = Job::new(&Release::of(SMALL).manifest()).with("binary-base-url", &nowhere);
    job.run().refuses("no_network");
    is_clean(&job);
}

#[test]
fn address_must_be_encrypted_or_of_this_machine() {
    for (address, snapshot) in [
        ("http://192.0.2.1/x", "plain_http"),
        ("http://127.0.0.1:80@192.0.2.1/", "plain_http_with_a_password"),
        ("http://localhost.example/", "plain_http_to_a_name_like_localhost"),
        ("http://user:SEC/RET@192.0.2.1/", "plain_http_with_a_slash_in_the_password"),
        ("user:SECRET@192.0.2.1", "no_scheme_but_a_password"),
        ("https://user:SEC/RET@[::1]:1", "invalid_with_a_password"),
        ("file:///etc", "no_http"),
    ] {
        let job = Job::new(&Release::of(SMALL).manifest()).with("binary-base-url", address);
        let ran = job.run();
        ran.refuses(snapshot);
        assert!(!ran.log.contains("SEC") && !ran.log.contains("RET"), "{}", ran.log);
        is_clean(&job);
    }
}

#[test]
fn files_of_the_action_must_be_there() {
    for name in ["dist/manifest.txt", "dist/platforms.txt", "Cargo.toml"] {
        let job = Job::new(&Release::of(SMALL).manifest());
        std::fs::remove_file(job.folder.0.join("action").join(name)).unwrap();
        job.run().exits(&[1]).says(&format!("agent-task was not installed::{name} of the action cannot be read."));
    }
}

#[test]
fn proxy_is_used() {
    // A proxy gets the whole address; this one takes it for a path that it does not have.
    let release = Release::of(SMALL);
    let job = Job::new(&release.manifest()).with("binary-base-url", "http://localhost:1");
    let ran = job.variable("http_proxy", &release.address).run();
    ran.refuses("absent_behind_a_proxy");
    assert_eq!(release.requests(), [format!("http://localhost:1/{}", asset_name())]);
    // Also by wget, which does not read the name in upper case.
    for fetcher in ["curl", "wget"] {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest()).tools(&[fetcher, "sha256sum"]);
        let job = job.with("binary-base-url", "https://mirror.invalid").variable("HTTPS_PROXY", &release.address);
        job.run().exits(&[1]);
        assert_eq!(release.requests()[0], "mirror.invalid:443");
    }
}

/// A cargo that notes how it was called and makes this program, slowly.
const CARGO: &str = "#!/bin/sh
    printf '%s\\n' \"$* in $PWD, flags=$RUSTFLAGS$RUSTC_WRAPPER\" >>\"$RUNNER_TEMP/cargo\"
    mkdir -p \"$CARGO_TARGET_DIR/release\"
    printf '#!/bin/sh\\nprintf \"task-id=built\\\\n\" >>\"$GITHUB_OUTPUT\"\\n' >\"$CARGO_TARGET_DIR/release/agent-task\"
    chmod +x \"$CARGO_TARGET_DIR/release/agent-task\"
    echo 'Compiling agent-task' >&2\n";

/// The calls of that cargo.
fn builds(job: &Job) -> usize {
    job.folder.read("temp/cargo").lines().count()
}

#[test]
fn any_other_commit_is_built_once_from_its_sources() {
    for shell in shells() {
        // No release, and one of another version.
        for manifest in
            ["version 0.0.0\nbase none\n".to_owned(), Release::of(SMALL).manifest().replace("1.2.3", "1.2.2")]
        {
            let job = Job::new(&manifest)
                .shell(&shell)
                .variable("RUSTFLAGS", "-D warnings")
                .variable("RUSTC_WRAPPER", "sccache");
            job.folder.write_program("bin/cargo", CARGO);
            let cold = job.run();
            cold.exits(&[0, 0]).gives("task-id", "built").says("Compiling agent-task");
            insta::assert_snapshot!("install_built", cold.general());
            let folder = std::fs::canonicalize(job.folder.0.join("action")).unwrap();
            let called = format!("build --release --locked in {}, flags=\n", folder.display());
            assert_eq!(job.folder.read("temp/cargo"), called);
            let warm = job.run();
            warm.exits(&[0, 0]).gives("task-id", "built");
            insta::assert_snapshot!("install_built_before", warm.general());
            assert_eq!((builds(&job), &warm.path), (1, &cold.path));
            // Other sources, another binary.
            job.folder.write("action/src/main.rs", "fn main() { println!() }\n");
            let changed = job.run();
            changed.exits(&[0, 0]).gives("task-id", "built");
            assert_eq!((builds(&job), job.folder.files("cache").len()), (2, 2));
            assert_ne!(changed.path, cold.path);
        }
    }
}

#[test]
fn zstd_unpacks_if_it_reads_the_format() {
    for zstd in ["gzip -dc", "echo 'unsupported format' >&2; exit 1"] {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest());
        let program = format!("#!/bin/sh\necho \"$*\" >\"$RUNNER_TEMP/zstd\"\n{zstd}\n");
        job.folder.write_program("bin/zstd", &program);
        job.run().exits(&[0, 0]).gives("task-id", "small");
        assert_eq!(job.folder.read("temp/zstd"), "-dcq\n");
    }
}

#[test]
fn build_for_a_target_of_cargos_config_is_found() {
    for shell in shells() {
        let job = Job::new("version 0.0.0\nbase none\n").shell(&shell);
        job.folder.write_program("bin/cargo", CARGO.replace("/release", "/x86_64-unknown-linux-gnu/release"));
        job.run().exits(&[0, 0]).gives("task-id", "built");
    }
}

#[test]
fn builds_side_by_side_share_a_tool_cache() {
    let shared = Folder::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let job = Job::new("version 0.0.0\n").variable("RUNNER_TOOL_CACHE", &shared.path("cache"));
            job.folder.write_program("bin/cargo", CARGO);
            scope.spawn(move || job.run().exits(&[0, 0]).gives("task-id", "built").path.clone());
        }
    });
    assert_eq!(shared.files("cache").len(), 1);
}

#[test]
fn commit_without_release_needs_cargo() {
    let job = Job::new("version 0.0.0\n").tools(&["sha256sum", "find", "sort", "xargs", "cat"]);
    job.run().refuses("no_cargo");
    is_clean(&job);
    job.folder.write_program("bin/cargo", "#!/bin/sh\necho 'error: linker `cc` not found' >&2\nexit 101\n");
    let failed = job.run();
    failed.exits(&[1]);
    insta::assert_snapshot!("install_cargo_fails", failed.general());
    is_clean(&job);
}

#[test]
fn interrupt_ends_a_build() {
    for shell in shells() {
        let job = Job::new("version 0.0.0\n").shell(&shell);
        job.folder
            .write_program("bin/cargo", "#!/bin/sh\necho $$ >\"$GITHUB_WORKSPACE/pid\"\nexec tail -f /dev/null\n");
        let ran = job.run_and_interrupt("install", || job.folder.read("workspace/pid").ends_with('\n'));
        ran.exits(&[130]);
        is_clean(&job);
        let pid = job.folder.read("workspace/pid");
        let alive = Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status().unwrap().success();
        assert!(!alive, "cargo still runs below {}", shell.display());
    }
}

#[test]
fn folder_where_cargo_cannot_build_is_gone_round() {
    // A disk that is full, and one whose programs do not run, which a folder below this name has only here.
    for (program, unfit) in [
        ("cargo", "case $CARGO_TARGET_DIR in \"$RUNNER_TEMP/\"*) exit 101 ;; esac\n"),
        ("chmod", "case \"$*\" in *\"$RUNNER_TEMP/\"*) exit 1 ;; esac\nexec /bin/chmod \"$@\"\n"),
    ] {
        let job = Job::new("version 0.0.0\n");
        job.folder.write_program("bin/cargo", CARGO);
        let dd = "#!/bin/sh\ncase \"$*\" in *\"$RUNNER_TEMP/\"*) exit 1 ;; esac\nexec /bin/dd \"$@\"\n";
        job.folder.write_program("bin/dd", dd);
        let before = job.folder.read(&format!("bin/{program}"));
        job.folder.write_program(&format!("bin/{program}"), format!("#!/bin/sh\n{unfit}{before}"));
        job.run().exits(&[0, 0]).gives("task-id", "built");
        std::fs::remove_file(job.folder.0.join("temp/cargo")).unwrap();
        for name in ["temp", "tmp"] {
            assert_eq!(job.folder.files(name), Vec::<PathBuf>::new());
        }
        job.folder.write_program("bin/dd", "#!/bin/sh\nexit 1\n");
        job.folder.write_program("bin/cargo", "#!/bin/sh\nexit 101\n");
        job.folder.write("action/src/main.rs", "fn main() { println!() }\n");
        let failed = job.run();
        failed.exits(&[1]);
        insta::assert_snapshot!("install_no_room_to_build", failed.general());
    }
}

#[test]
fn machine_without_a_released_binary_builds_one() {
    let release = Release::of(SMALL);
    let job = Job::new(&release.manifest());
    job.folder.write_program("bin/cargo", CARGO);
    job.folder.write("action/dist/platforms.txt", "riscv64-unknown-linux-musl Linux/riscv64 ubuntu-24.04 cross\n");
    job.run().exits(&[0, 0]).gives("task-id", "built").says("Release 1.2.3 has no binary for ");
    // A known machine that this release has nothing for.
    let job = Job::new(&release.manifest().replace(&target(), "riscv64-unknown-linux-musl"));
    let job = job.tools(&["sha256sum", "find", "sort", "xargs", "cat"]);
    job.run().refuses("no_binary_for_this_machine");
    assert_eq!(release.requests(), [""; 0]);
}

#[test]
fn any_of_the_known_tools_will_do() {
    let mut tried = 0;
    for (fetcher, hasher) in [("curl", "sha256sum"), ("wget", "openssl"), ("curl", "shasum")] {
        if tool(fetcher).is_none() || tool(hasher).is_none() {
            continue;
        }
        tried += 1;
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest()).tools(&[fetcher, hasher]);
        job.run().exits(&[0, 0]).gives("task-id", "small");
        job.run().exits(&[0, 0]).says("from the cache");
        assert_eq!(release.requests().len(), 1);
        let job = Job::new(&release.manifest()).tools(&[fetcher, hasher]);
        let job = job.with("binary-base-url", &format!("{}/none", release.address));
        job.run().refuses("absent");
        is_clean(&job);
    }
    assert!(tried > 0);
}

#[test]
fn busybox_alone_will_do() {
    let Some(busybox) = tool("busybox") else { return };
    let release = Release::of(SMALL);
    let job = || Job::new(&release.manifest()).busybox(&busybox);
    let cold = job();
    cold.run().exits(&[0, 0]).gives("task-id", "small").says("fetched");
    cold.run().exits(&[0, 0]).gives("task-id", "small").says("from the cache");
    let from = |path: &str| job().with("binary-base-url", &format!("{}/{path}", release.address));
    for (path, snapshot) in [("none", "absent"), ("always-403", "status_403"), ("always-451", "status_451")] {
        let refused = from(path);
        refused.run().refuses(snapshot);
        is_clean(&refused);
    }
    for path in ["first-403", "first-503"] {
        from(path).run().exits(&[0, 0]).gives("task-id", "small");
    }
    let stalled = from("stalled");
    let asked = || release.requests().last().is_some_and(|path| path.starts_with("/stalled"));
    stalled.run_and_interrupt("install", asked).exits(&[130]).annotates_nothing();
    is_clean(&stalled);
    let tampered = Release::of(b"#!/bin/sh\necho tampered\n");
    let job = job().with("binary-base-url", &tampered.address);
    job.run().refuses("tampered");
    is_clean(&job);
    let job = Job::new("version 0.0.0\n").busybox(&busybox);
    job.run().refuses("no_cargo");
    job.folder.write_program("bin/cargo", CARGO);
    job.run().exits(&[0, 0]).gives("task-id", "built");
}

#[test]
fn tool_that_is_missing_is_named() {
    let manifest = Release::of(SMALL).manifest();
    let hasher = ["sha256sum", "shasum", "openssl"].into_iter().find(|name| tool(name).is_some()).unwrap();
    for (tools, snapshot) in [(vec![hasher], "no_curl_and_no_wget"), (vec!["curl"], "no_hasher")] {
        let job = Job::new(&manifest).tools(&tools);
        job.run().refuses(snapshot);
        is_clean(&job);
    }
}

#[test]
fn full_disk_is_reported() {
    let job = Job::new(&Release::of(SMALL).manifest());
    let curl = "#!/bin/sh\necho 'curl: (23) Failure writing output to destination' >&2\nexit 23\n";
    job.folder.write_program("bin/curl", curl);
    // The tool alone does not say that the disk is full.
    job.run().refuses("curl_cannot_write");
    job.folder.write_program("bin/dd", "#!/bin/sh\nexit 1\n");
    job.run().refuses("full_disk");
    is_clean(&job);
}

#[test]
fn full_folder_is_gone_round() {
    let release = Release::of(SMALL);
    let job = Job::new(&release.manifest());
    for (name, message, code) in [("curl", "curl: (23) Failure writing output to destination", 23), ("dd", "", 1)] {
        let real = tool(name).unwrap();
        let program = format!(
            "#!/bin/sh\ncase \"$*\" in *\"$RUNNER_TEMP/\"*) echo '{message}' >&2; exit {code} ;; esac\nexec {} \"$@\"\n",
            real.display()
        );
        job.folder.write_program(&format!("bin/{name}"), program);
    }
    job.run().exits(&[0, 0]).gives("task-id", "small");
    for name in ["temp", "tmp"] {
        assert_eq!(job.folder.files(name), Vec::<PathBuf>::new());
    }
    assert_eq!((release.requests().len(), job.folder.files("cache").len()), (1, 1));
}

#[test]
fn refusal_may_be_over_in_a_moment() {
    let release = Release::of(SMALL);
    for status in [403, 429, 500, 503] {
        let address = format!("{}/first-{status}", release.address);
        let job = Job::new(&release.manifest()).with("binary-base-url", &address);
        job.run().exits(&[0, 0]).gives("task-id", "small");
    }
    for status in [401, 403, 451] {
        let before = release.requests().len();
        let address = format!("{}/always-{status}", release.address);
        let job = Job::new(&release.manifest()).with("binary-base-url", &address);
        job.run().refuses(&format!("status_{status}"));
        assert_eq!(release.requests().len() - before, if status == 403 { 3 } else { 1 });
        is_clean(&job);
    }
}

#[test]
fn settings_of_the_user_do_not_change_the_download() {
    for fetcher in ["curl", "wget"] {
        let release = Release::of(SMALL);
        let job = Job::new(&release.manifest()).tools(&[fetcher, "sha256sum"]);
        job.folder.write("runner/.curlrc", "include\nfail-with-body\nverbose\nwrite-out = \"::error::by curl\"\n");
        job.folder.write("runner/.wgetrc", "save_headers = on\nverbose = on\nserver_response = on\n");
        let wgetrc = job.folder.path("runner/.wgetrc");
        let job = job.variable("GZIP", "--verbose").variable("WGETRC", &wgetrc);
        let ran = job.run();
        ran.exits(&[0, 0]).gives("task-id", "small");
        insta::assert_snapshot!("install_fetched", ran.general());
    }
}

#[test]
fn folder_that_does_not_execute_is_gone_round() {
    // What a file system that is mounted `noexec` does to a program, done here to those of one folder by a shell
    // that cannot be found.
    let nowhere = Release::of(b"#!/bin/sh\nexit 126\n");
    let job = Job::new(&nowhere.manifest());
    job.run().exits(&[1]).says("mount it without `noexec`");
    is_clean(&job);
    let release = Release::of(
        b"#!/bin/sh\ncase $0 in */cache/*) exit 126 ;; esac\nprintf 'task-id=small\\n' >>\"$GITHUB_OUTPUT\"\n",
    );
    let job = Job::new(&release.manifest());
    let ran = job.run();
    ran.exits(&[0, 0]).gives("task-id", "small");
    assert!(Path::new(&ran.path).starts_with(job.folder.0.join("temp")), "{}", ran.path);
    assert_eq!(job.folder.files("cache"), Vec::<PathBuf>::new());
    // Also where the file lies there already.
    let seeded = job.folder.path("cache/agent-task/1.2.3");
    std::fs::create_dir_all(&seeded).unwrap();
    std::fs::rename(
        job.folder.0.join("temp/agent-task/1.2.3").join(sha256(&release.asset)),
        format!("{seeded}/{}", sha256(&release.asset)),
    )
    .unwrap();
    let again = job.run();
    again.exits(&[0, 0]).says("fetched");
    assert_eq!(again.path, ran.path);
    job.folder.write_program("workspace/cannot", "#!/no/such/shell\n");
    let own = job.with("binary-path", "cannot").with("binary-verify", "false");
    own.run().refuses("own_binary_that_does_not_execute");
}

#[test]
fn tool_cache_that_cannot_be_written_is_gone_round() {
    let release = Release::of(SMALL);
    let job = Job::new(&release.manifest());
    // No user can make a folder below a file, be it root.
    job.folder.write("file", "");
    let below = job.folder.path("file/below");
    let job = job.variable("RUNNER_TOOL_CACHE", &below);
    let ran = job.run();
    ran.exits(&[0, 0]).gives("task-id", "small");
    assert!(Path::new(&ran.path).starts_with(job.folder.0.join("temp")), "{}", ran.path);
    job.run().exits(&[0, 0]).says("from the cache");
    let job = job.variable("RUNNER_TEMP", &below);
    let ran = job.run();
    ran.exits(&[0, 0]).gives("task-id", "small");
    assert!(Path::new(&ran.path).starts_with(job.folder.0.join("tmp")), "{}", ran.path);
    job.variable("TMPDIR", &below).run().refuses("no_folder");
    // A machine that is none of GitHub's may name no tool cache.
    let job = Job::new(&release.manifest()).variable("RUNNER_TOOL_CACHE", "");
    job.run().exits(&[0, 0]).gives("task-id", "small");
    assert_eq!(job.folder.files("temp").len(), 1);
}

#[test]
fn jobs_side_by_side_share_a_tool_cache() {
    let release = Release::of(SMALL);
    let shared = Folder::new();
    let job = || Job::new(&release.manifest()).variable("RUNNER_TOOL_CACHE", &shared.path("cache"));
    std::thread::scope(|scope| {
        for at in 0..6 {
            let job = job();
            // Some of them fail and clean up after themselves in the meantime.
            let (job, fails) =
                if at % 3 == 2 { (job.with("binary-base-url", "http://[::1]:1"), true) } else { (job, false) };
            scope.spawn(move || {
                let ran = job.run();
                if fails && ran.codes == [Some(1)] {
                    ran.refuses("no_network_in_one_job_of_many");
                } else {
                    ran.exits(&[0, 0]).gives("task-id", "small");
                }
            });
        }
    });
    assert_eq!(shared.files("cache").len(), 1);
}

#[test]
fn own_binary_is_checked_unless_verify_is_false() {
    let release = Release::of(SMALL);
    let job = || {
        let job = Job::new(&release.manifest());
        job.folder.write_program("workspace/right", SMALL);
        job.folder.write_program("workspace/wr\nong%", "#!/bin/sh\necho 'task-id=own' >>\"$GITHUB_OUTPUT\"\n");
        job.folder.write("workspace/plain", SMALL);
        job
    };
    let right = job().with("binary-path", "right");
    assert_eq!(right.run().exits(&[0, 0]).gives("task-id", "small").path, right.folder.path("workspace/right"));
    let wrong = job().with("binary-path", "wr\nong%");
    wrong.run().refuses("own_binary_with_another_hash");
    let trusted = wrong.with("binary-verify", "false");
    assert_eq!(trusted.run().exits(&[0, 0]).gives("task-id", "own").path, trusted.folder.path("workspace/wr\nong%"));
    // A path that would end its own value and write another output, and that `env` would take for a variable.
    let forged = "x\nghadelimiter_agent_task\nforged=1";
    let nasty = job().with("binary-path", forged);
    nasty.folder.write_program(&format!("workspace/{forged}"), SMALL);
    let ran = nasty.run();
    ran.exits(&[0, 0]).gives("task-id", "small");
    assert_eq!(ran.path, nasty.folder.path(&format!("workspace/{forged}")));
    job().with("binary-path", "none").run().refuses("own_binary_that_does_not_exist");
    job().with("binary-path", ".").run().refuses("own_binary_that_is_a_folder");
    job().with("binary-path", "plain").run().refuses("own_binary_without_permission");
    job().with("binary-verify", "maybe").run().refuses("verify_is_not_a_boolean");
    // What is fetched is checked in any case.
    let tampered = Release::of(b"#!/bin/sh\n");
    let job = job().with("binary-verify", "false").with("binary-base-url", &tampered.address);
    job.run().refuses("tampered");
    is_clean(&job);
    assert_eq!(release.requests(), [""; 0]);
}

#[test]
fn own_binary_cannot_be_checked_without_a_release() {
    let job = Job::new("version 0.0.0\nbase none\n");
    job.folder.write_program("workspace/own", SMALL);
    let job = job.with("binary-path", "own");
    job.run().refuses("own_binary_without_release");
    job.with("binary-verify", "false").run().exits(&[0, 0]).gives("task-id", "small");
}

#[test]
fn damaged_manifest_leads_nowhere() {
    let release = Release::of(SMALL);
    let right = release.manifest();
    let hash = sha256(SMALL);
    let odd = "1/../2";
    let version = (right.replace("1.2.3", odd), odd);
    for (manifest, version) in
        [version, (right.replace(&hash, &format!("{hash}0")), "1.2.3"), (right.replace(&hash, "../../x"), "1.2.3")]
    {
        assert_ne!(manifest, right);
        let job = Job::new(&manifest);
        job.folder.write("action/Cargo.toml", format!("[package]\nversion = \"{version}\"\n"));
        job.run().refuses("damaged_manifest");
        is_clean(&job);
    }
    assert_eq!(release.requests(), [""; 0]);
}
