//! What an operator sees: log lines and figures.
//!
//! Names of figures are constants, so that a typing error is a compile error and a dashboard can be checked
//! against this list. Labels are route patterns and kinds, never ids or names: neither personal data nor an
//! unbounded number of series may come out of here.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::config::LogFormat;

/// Requests answered, by method, route pattern and status.
pub const HTTP_REQUESTS: &str = "umbel_http_requests_total";
/// Seconds from a request's arrival to the last byte of its answer, by method and route pattern.
pub const HTTP_SECONDS: &str = "umbel_http_request_seconds";
/// Requests refused for coming too often, by kind of limit.
pub const HTTP_LIMITED: &str = "umbel_http_limited_total";
/// Sign-ins refused, by reason.
pub const SIGN_IN_REFUSED: &str = "umbel_sign_in_refused_total";
/// Transactions run again after a deadlock or a serialization failure.
pub const DB_RETRIES: &str = "umbel_db_retries_total";
/// Seconds a request waited for a connection of the pool.
pub const DB_WAIT_SECONDS: &str = "umbel_db_wait_seconds";
/// Jobs ended, by kind and outcome.
pub const JOBS: &str = "umbel_jobs_total";
/// Jobs that wait, those that wait for a person included.
pub const JOBS_WAITING: &str = "umbel_jobs_waiting";
/// Mails handed over or refused, by outcome.
pub const MAILS: &str = "umbel_mails_total";
/// Violations found by the last run of the invariants, by invariant; each of them is an alarm.
pub const INVARIANT_VIOLATIONS: &str = "umbel_invariant_violations";

/// Borders of the histograms, in seconds: around the promised 100 ms for reads and 150 ms for writes.
const SECONDS: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What is logged when `RUST_LOG` does not say otherwise.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_http=warn";

/// The logs or the figures cannot be set up: somebody did it before in this process, or the filter is wrong.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up {part}: {reason}")]
pub struct TelemetryError {
    part: &'static str,
    reason: String,
}

/// Sends log lines to standard error, as text or as one JSON object a line; `filter` has the form of `RUST_LOG`.
///
/// Refuses a filter that cannot be read, and a second call.
pub fn start_logs(format: LogFormat, filter: Option<&str>) -> Result<(), TelemetryError> {
    let refused = |reason: String| TelemetryError { part: "the log", reason };
    let filter = EnvFilter::try_new(filter.unwrap_or(DEFAULT_FILTER)).map_err(|error| refused(error.to_string()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let started = match format {
        LogFormat::Human => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_current_span(true)).try_init(),
    };
    started.map_err(|error| refused(error.to_string()))
}

/// The figures of this process.
#[derive(Clone)]
pub struct Figures {
    handle: PrometheusHandle,
}

impl Figures {
    /// Makes the recorder behind the macros of the `metrics` crate. Refuses a second call.
    pub fn start() -> Result<Self, TelemetryError> {
        let refused = |reason: String| TelemetryError { part: "the figures", reason };
        let recorder = builder().map_err(|error| refused(error.to_string()))?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|error| refused(error.to_string()))?;
        describe();
        Ok(Self { handle })
    }

    /// All figures in Prometheus' text format, for the metrics address.
    ///
    /// Also folds what was measured since the last time into the histograms, so that memory stays bounded as long as
    /// somebody asks; a service that nobody asks calls it every few minutes itself.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
}

fn describe() {
    metrics::describe_counter!(HTTP_REQUESTS, "Requests answered.");
    metrics::describe_histogram!(HTTP_SECONDS, "Seconds from a request to the end of its answer.");
    metrics::describe_counter!(HTTP_LIMITED, "Requests refused for coming too often.");
    metrics::describe_counter!(SIGN_IN_REFUSED, "Sign-ins refused.");
    metrics::describe_counter!(DB_RETRIES, "Transactions run again after a conflict.");
    metrics::describe_histogram!(DB_WAIT_SECONDS, "Seconds waited for a database connection.");
    metrics::describe_counter!(JOBS, "Jobs ended.");
    metrics::describe_gauge!(JOBS_WAITING, "Jobs that wait.");
    metrics::describe_counter!(MAILS, "Mails handed over or refused.");
    metrics::describe_gauge!(INVARIANT_VIOLATIONS, "Violations found by the last check; anything but 0 is an alarm.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_out_as_prometheus_text_with_our_borders() {
        let recorder = builder().unwrap().build_recorder();
        let figures = Figures { handle: recorder.handle() };
        metrics::with_local_recorder(&recorder, || {
            describe();
            metrics::counter!(HTTP_REQUESTS, "method" => "GET", "route" => "/v1/invoices", "status" => "200")
                .increment(2);
            metrics::histogram!(HTTP_SECONDS, "method" => "GET", "route" => "/v1/invoices").record(0.12);
        });
        let text = figures.render();
        assert!(text.contains("# TYPE umbel_http_requests_total counter"), "{text}");
        assert!(
            text.contains(r#"umbel_http_requests_total{method="GET",route="/v1/invoices",status="200"} 2"#),
            "{text}"
        );
        let bucket =
            |le| format!(r#"umbel_http_request_seconds_bucket{{method="GET",route="/v1/invoices",le="{le}"}}"#);
        assert!(
            text.contains(&format!("{} 0", bucket("0.1"))) && text.contains(&format!("{} 1", bucket("0.15"))),
            "{text}"
        );
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let error = start_logs(LogFormat::Human, Some("umbel=loud")).unwrap_err();
        assert!(error.to_string().starts_with("cannot set up the log: "), "{error}");
    }
}
