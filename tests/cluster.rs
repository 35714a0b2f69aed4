//! The private database, for real: killed, adopted, shared, refused.
//!
//! The program that is killed here is this test binary itself, run again with a data folder in its environment.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl};
use rustix::process::{Pid, Signal, kill_process};
use umbel::platform::cluster::{Cluster, ClusterError, Durability};

const FOLDER: &str = "UMBEL_CLUSTER_TEST_FOLDER";

fn run(url: &str, sql: &str) -> usize {
    diesel::sql_query(sql).execute(&mut PgConnection::establish(url).unwrap()).unwrap()
}

fn postmaster(data: &Path) -> Pid {
    let text = fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
}

fn is_alive(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

/// Starts this binary as another program over the folder and waits until its database answers.
fn program(data: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_other_program", "--nocapture", "--ignored"])
        .env(FOLDER, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("cluster is up")), "the other program did not start");
    // Read on, or its test harness fails for a closed pipe.
    std::thread::spawn(move || lines.count());
    child
}

#[test]
#[ignore = "run by the other tests as the program that they kill"]
fn the_other_program() {
    let Some(data) = std::env::var_os(FOLDER) else { return };
    let cluster = Cluster::start(Path::new(&data)).unwrap();
    println!("\ncluster is up");
    // Ends when the test closes our input, if it does not kill us before.
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(cluster);
}

#[test]
fn the_data_survive_a_kill_of_the_program_and_its_server_is_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut first = program(&data);
    let joined = Cluster::join(&data).unwrap();
    run(&joined.owner_url(), "CREATE TABLE kept AS SELECT 1 AS n");
    let server = postmaster(&data);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(is_alive(server), "a killed program cannot stop its server");

    let began = Instant::now();
    let mut cluster = Cluster::start(&data).unwrap();
    println!("start over an orphan: {} ms", began.elapsed().as_millis());
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(postmaster(&data), server, "the orphan serves on");
    assert_eq!(run(&cluster.owner_url(), "SELECT * FROM kept"), 1);
    cluster.stop();
    assert!(!is_alive(server));
    assert!(!data.join("postgres/postmaster.pid").exists());

    let began = Instant::now();
    let cluster = Cluster::start(&data).unwrap();
    println!("second start: {} ms", began.elapsed().as_millis());
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(run(&cluster.owner_url(), "SELECT * FROM kept"), 1);
}

#[test]
fn a_killed_server_comes_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    run(&cluster.owner_url(), "CREATE TABLE kept AS SELECT 1 AS n");
    for _ in 0..5 {
        let server = postmaster(folder.path());
        kill_process(server, Signal::KILL).unwrap();
        let began = Instant::now();
        let back = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(20));
            fs::read_to_string(folder.path().join("postgres/postmaster.pid"))
                .is_ok_and(|text| !text.starts_with(&format!("{server}\n")) && text.contains("ready"))
        });
        assert!(back.take(500).any(|back| back), "the server did not come back");
        println!("server back after a kill: {} ms", began.elapsed().as_millis());
        assert_eq!(run(&cluster.owner_url(), "SELECT * FROM kept"), 1);
    }
}

#[test]
fn a_kill_of_program_and_server_together_leaves_nothing_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = program(folder.path());
    // A session in the middle of something outlives its killed server until it looks up again.
    let url = Cluster::join(folder.path()).unwrap().owner_url();
    let busy = std::thread::spawn(move || {
        let sql = "DO $$ BEGIN FOR i IN 1..2000000000 LOOP PERFORM 1; END LOOP; END $$";
        diesel::sql_query(sql).execute(&mut PgConnection::establish(&url).unwrap()).unwrap_err();
    });
    std::thread::sleep(Duration::from_millis(300));
    first.kill().unwrap();
    kill_process(postmaster(folder.path()), Signal::KILL).unwrap();
    first.wait().unwrap();

    let began = Instant::now();
    let cluster = Cluster::start(folder.path()).unwrap();
    println!("start after both were killed: {} ms", began.elapsed().as_millis());
    assert!(began.elapsed() < Duration::from_secs(2));
    busy.join().unwrap();
    run(&cluster.owner_url(), "SELECT 1");
}

#[test]
fn a_process_id_that_now_belongs_to_a_stranger_is_no_server() {
    let folder = tempfile::tempdir().unwrap();
    Cluster::start(folder.path()).unwrap().stop();
    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let pid_file = folder.path().join("postgres/postmaster.pid");
    fs::write(&pid_file, format!("{}\n/elsewhere\n1\n5432\n.\n\n0 0\nready   \n", stranger.id())).unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    run(&cluster.owner_url(), "SELECT 1");
    assert!(stranger.try_wait().unwrap().is_none(), "and it is left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn the_second_of_two_programs_gets_one_clear_line_and_can_join() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Cluster::join(folder.path()), Err(ClusterError::NotRunning { .. })));
    let mut first = program(folder.path());
    let refusal = Cluster::start(folder.path()).unwrap_err();
    assert!(matches!(refusal, ClusterError::Busy { .. }));
    let line = refusal.to_string();
    assert!(line.contains(&first.id().to_string()) && !line.contains('\n'), "{line}");
    drop(Cluster::join(folder.path()).unwrap());
    run(&Cluster::join(folder.path()).unwrap().owner_url(), "SELECT 1"); // a guest that leaves stops nothing
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert!(matches!(Cluster::join(folder.path()), Err(ClusterError::NotRunning { .. })));
    Cluster::start(folder.path()).unwrap();
}

#[test]
fn an_interrupted_first_start_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("postgres.new/base")).unwrap();
    fs::write(folder.path().join("postgres.new/PG_VERSION"), "15\n").unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    run(&cluster.owner_url(), "SELECT 1");
}

#[test]
fn the_settings_are_those_that_the_rest_relies_on() {
    let folder = tempfile::Builder::new().prefix("a, path with ü and quite some length ").tempdir().unwrap();
    let data = folder.path().join("d".repeat(60));
    let cluster = Cluster::start(&data).unwrap();
    let is = |setting: &str, value: &str| {
        let sql = format!("SELECT 1 WHERE current_setting('{setting}') = '{value}'");
        assert_eq!(run(&cluster.owner_url(), &sql), 1, "{setting} is not {value}");
    };
    for (setting, value) in [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
        ("timezone", "UTC"),
        ("is_superuser", "off"),
    ] {
        is(setting, value);
    }
    assert_eq!(run(&cluster.owner_url(), "SELECT 1 WHERE lower('ÉŁ') = 'éł' COLLATE \"C\""), 1);
    assert_eq!(
        run(
            &cluster.owner_url(),
            "SELECT 1 FROM pg_database WHERE datname = 'umbel' AND pg_get_userbyid(datdba) = 'umbel_owner'"
        ),
        1
    );
    run(&cluster.owner_url(), "CREATE ROLE umbel_login LOGIN");
    run(&cluster.login_url(), "SELECT 1");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&data).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "nobody else can get near the keys or the socket");
}

#[test]
fn a_cluster_for_tests_is_quick_and_leaves_nothing() {
    let began = Instant::now();
    let mut cluster = Cluster::start_ephemeral(Durability::Unsynced).unwrap();
    println!("ephemeral start: {} ms", began.elapsed().as_millis());
    assert_eq!(run(&cluster.owner_url(), "SELECT 1 WHERE current_setting('fsync') = 'off'"), 1);
    let folder = std::env::temp_dir().join(format!("umbel-test-{}-0", std::process::id()));
    assert!(folder.exists());
    cluster.stop();
    assert!(!folder.exists());
}
