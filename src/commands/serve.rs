//! `serve`, `worker` and `migrate`.

use std::net::TcpListener;
use std::process::ExitCode;
use std::thread;

use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use umbel::access::{self, NewGrant, NewPerson, Passwords};
use umbel::kernel::language::Language;
use umbel::kernel::roles::Role;
use umbel::platform::clock::Clock;
use umbel::platform::config::{Config, Mail, Worker as WorkerPlace};
use umbel::platform::db::{Actor, Db};
use umbel::platform::telemetry::{self, Figures};
use umbel::service;

use super::{Outcome, Running, Store, assemble};

/// Threads that answer requests: the work itself happens on others.
pub const THREADS: usize = 2;

/// Serves until told to stop.
pub fn serve(config: &Config) -> Outcome<ExitCode> {
    telemetry::start_logs(config.log_format, std::env::var("RUST_LOG").ok().as_deref())?;
    let figures = Figures::start()?;
    let store = Store::open(config)?;
    let clock = Clock::from_env();
    let running = assemble(config, &store, &clock)?;
    let listener = TcpListener::bind(config.listen)?;
    welcome_administrator(&running)?;
    print_places(config, &listener)?;
    actix_web::rt::System::new().block_on(async {
        let (stop, stopped) = watch::channel(false);
        let worker = (config.worker == WorkerPlace::Inside).then(|| tokio::spawn(running.worker.clone().run(stopped)));
        if let Some(address) = config.metrics_listen {
            serve_figures(figures, TcpListener::bind(address)?)?;
        }
        let server = service::server(&running.parts, listener, THREADS)?;
        let handle = server.handle();
        tokio::spawn(async move {
            wait_for_the_end().await;
            tracing::info!("stopping: requests under way are finished");
            handle.stop(true).await;
        });
        server.await?;
        let _nobody_listens = stop.send(true);
        if let Some(worker) = worker {
            worker.await?;
        }
        Outcome::Ok(())
    })?;
    store.close();
    Ok(ExitCode::SUCCESS)
}

/// Works until told to stop.
pub fn work(config: &Config) -> Outcome<ExitCode> {
    telemetry::start_logs(config.log_format, std::env::var("RUST_LOG").ok().as_deref())?;
    let store = Store::visit(config)?;
    let running = assemble(config, &store, &Clock::from_env())?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let worker = tokio::spawn(running.worker.run(stopped));
        wait_for_the_end().await;
        let _nobody_listens = stop.send(true);
        worker.await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Migrates.
pub fn migrate(config: &Config) -> Outcome<ExitCode> {
    let store = Store::open(config)?;
    println!("The database is at the newest migration.");
    store.close();
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C, or the terminate signal of a supervisor.
async fn wait_for_the_end() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_no_signals) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// The figures for Prometheus, on their own port.
fn serve_figures(figures: Figures, listener: TcpListener) -> Outcome<()> {
    let server = HttpServer::new(move || {
        let figures = figures.clone();
        let render = move || {
            let figures = figures.clone();
            async move { HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(figures.render()) }
        };
        App::new().route("/metrics", web::get().to(render))
    });
    tokio::spawn(server.workers(1).disable_signals().listen(listener)?.run());
    Ok(())
}

/// The first administrator, once: their password is printed and nowhere else.
fn welcome_administrator(running: &Running) -> Outcome<()> {
    let db = &running.parts.db;
    if db.write_blocking(&Actor::System, access::has_administrator)? {
        return Ok(());
    }
    let password =
        add_person(db, &running.parts.passwords, "admin@umbel.example", "Administrator", &[Role::Administrator])?;
    println!("First administrator: admin@umbel.example with password {password} (printed once; change it)");
    Ok(())
}

/// Adds a person with roles and answers their password.
pub fn add_person(db: &Db, passwords: &Passwords, email: &str, name: &str, roles: &[Role]) -> Outcome<String> {
    let password = readable_password(db.clock());
    insert_person(db, &passwords.hash_blocking(&password)?, email, name, roles)?;
    Ok(password)
}

/// Adds a person with roles whose address counts as confirmed.
pub fn insert_person(db: &Db, password_hash: &str, email: &str, name: &str, roles: &[Role]) -> Outcome<()> {
    db.write_blocking(&Actor::System, |tx| {
        let id = tx.new_id();
        let new = NewPerson {
            id,
            email: email.to_owned(),
            name: name.to_owned(),
            language: Language::En,
            password_hash: password_hash.to_owned(),
        };
        access::add_person(tx, &new)?;
        access::confirm_email(tx, id)?;
        for role in roles {
            let grant = NewGrant { id: tx.new_id(), person: id, role: *role, from: tx.now().date_naive(), until: None };
            access::grant(tx, &grant)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Five groups of four letters and digits that cannot be mistaken for each other: 100 bits.
pub fn readable_password(clock: &Clock) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";
    let letters: Vec<char> = clock
        .random_bytes::<20>()
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(*byte).checked_rem(31)?).map(|letter| char::from(*letter)))
        .collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

fn print_places(config: &Config, listener: &TcpListener) -> Outcome<()> {
    let address = listener.local_addr()?;
    println!("Umbel serves on http://{address}");
    println!("  API for people    http://{address}/docs");
    println!("  API for machines  http://{address}/openapi.json");
    if let Some(metrics) = config.metrics_listen {
        println!("  figures           http://{metrics}/metrics");
    }
    println!("  data folder       {}", config.data.display());
    match &config.mail {
        Mail::Folder(folder) => println!("  mails             {} (no SMTP_URL is set)", folder.display()),
        Mail::Smtp(_) => println!("  mails             by SMTP"),
    }
    Ok(())
}

/// Runs the service on other threads until the returned switch is used: for the demonstration and the benchmark.
pub fn in_background(running: &Running, listener: TcpListener, threads: usize) -> Outcome<Switch> {
    let parts = running.parts.clone();
    let (send, receive) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            match service::server(&parts, listener, threads) {
                Ok(server) => {
                    let _nobody_waits = send.send(Ok(server.handle()));
                    if let Err(error) = server.await {
                        tracing::error!(%error, "the server ended");
                    }
                }
                Err(error) => {
                    let _nobody_waits = send.send(Err(error));
                }
            }
        });
    });
    let handle = receive.recv()??;
    Ok(Switch { handle, thread: Some(thread) })
}

/// Stops a server in the background when it is dropped.
pub struct Switch {
    handle: actix_web::dev::ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Switch {
    /// Waits for a signal to end, then stops the server.
    pub fn wait(self) -> Outcome<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(wait_for_the_end());
        drop(self);
        Ok(())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // The command is sent when `stop` is called; the future only waits for its end.
        drop(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
