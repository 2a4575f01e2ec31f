//! Where metrics and traces go: what is written, else what OpenTelemetry's own variables say.
//!
//! Source: OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter Configuration", seen 2026-11.

use std::rc::Rc;

use http::header::{HeaderName, HeaderValue};
use provider::request::parse_url;

use crate::environment::Environment;
use crate::file::TelemetryFile;
use crate::reader::Reader;
use crate::snapshot::{Telemetry, TraceExport};
use crate::yaml::Spot;

/// What is added to a base URL. Source: OTLP specification, OTLP/HTTP request.
const TRACES_PATH: &str = "/v1/traces";

const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];

pub(super) fn compile(reader: &Reader<'_>, file: &TelemetryFile) -> Telemetry {
    let mut telemetry = Telemetry::default();
    if let Some(metrics) = &file.metrics {
        telemetry.metrics.clone_from(&metrics.value);
    }
    telemetry.log_file = file.log.file.as_ref().map(|file| file.value.clone().into());
    telemetry.traces = traces(reader, file);
    telemetry
}

fn traces(reader: &Reader<'_>, file: &TelemetryFile) -> Option<TraceExport> {
    let environment = reader.environment();
    let (text, spot, is_whole) = match &file.otlp {
        Some(written) => (written.value.clone(), written.spot.clone(), false),
        None => from_variables(environment)?,
    };
    if text.trim().is_empty() {
        return None;
    }
    for name in PROTOCOLS {
        if let Some(protocol) = environment
            .get(name)
            .filter(|text| *text != "http/protobuf")
        {
            reader
                .warning(
                    "bad_value",
                    &of_variable(name),
                    "spans are sent as http/protobuf",
                )
                .label(format!("`{protocol}` is not spoken here"))
                .help("name the collector's port for OTLP over HTTP, which is 4318 as a rule");
            break;
        }
    }
    let endpoint = match parse_url(&text) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            reader
                .error("bad_value", &spot, "this is no collector's address")
                .label(error.to_string())
                .help("write  otlp: http://collector:4318");
            return None;
        }
    };
    let path = match endpoint.base_path.as_str() {
        path if is_whole || path.ends_with(TRACES_PATH) => path.to_owned(),
        path => format!("{path}{TRACES_PATH}"),
    };
    let (service, resource) = resource(environment);
    Some(TraceExport {
        path: if path.is_empty() {
            "/".to_owned()
        } else {
            path
        },
        endpoint,
        headers: headers(reader),
        service,
        resource,
        sample: sample(reader),
    })
}

/// The address that OpenTelemetry's variables name, and whether it is the whole of it.
fn from_variables(environment: &Environment) -> Option<(String, Spot, bool)> {
    let is_off = environment
        .get("OTEL_SDK_DISABLED")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"))
        || environment.get("OTEL_TRACES_EXPORTER") == Some("none");
    if is_off {
        return None;
    }
    [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", true),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", false),
    ]
    .into_iter()
    .find_map(|(name, is_whole)| {
        let text = environment.get(name)?;
        Some((text.to_owned(), of_variable(name), is_whole))
    })
}

fn of_variable(name: &str) -> Spot {
    Spot {
        origin: Some(Rc::from(name)),
        ..Spot::default()
    }
}

/// `name=value,name=value`; values are percent-encoded. What has no `=` is given back as it is.
fn pairs(text: &str) -> impl Iterator<Item = Result<(String, String), &str>> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part.split_once('=').ok_or(part)?;
        Ok((name.trim().to_owned(), decoded(value.trim())))
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn headers(reader: &Reader<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_HEADERS",
    ];
    let environment = reader.environment();
    let Some((name, text)) = names
        .into_iter()
        .find_map(|name| Some((name, environment.get(name)?)))
    else {
        return Vec::new();
    };
    let header = |pair: Result<(String, String), &str>| {
        let (name, value) = pair.ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some((
            HeaderName::from_bytes(name.to_lowercase().as_bytes()).ok()?,
            value,
        ))
    };
    let headers: Option<Vec<_>> = pairs(text).map(header).collect();
    headers.unwrap_or_else(|| {
        reader
            .error("bad_value", &of_variable(name), "these are no headers")
            .label("write  name=value,name=value");
        Vec::new()
    })
}

/// The service's name, and what else is said of it.
fn resource(environment: &Environment) -> (String, Vec<(String, String)>) {
    let text = environment
        .get("OTEL_RESOURCE_ATTRIBUTES")
        .unwrap_or_default();
    let (named, others): (Vec<_>, Vec<_>) = pairs(text)
        .filter_map(Result::ok)
        .partition(|(name, _)| name == "service.name");
    let service = environment.get("OTEL_SERVICE_NAME").map(str::to_owned);
    let service = service.or_else(|| named.into_iter().next().map(|(_, value)| value));
    (service.unwrap_or_else(|| "goodgate".to_owned()), others)
}

/// The share of the traces that begin here and are sampled.
fn sample(reader: &Reader<'_>) -> f64 {
    let environment = reader.environment();
    let sampler = environment.get("OTEL_TRACES_SAMPLER").unwrap_or_default();
    match sampler.trim_start_matches("parentbased_") {
        "always_off" => 0.0,
        "traceidratio" => {
            let name = "OTEL_TRACES_SAMPLER_ARG";
            let text = environment.get(name).unwrap_or("1");
            let share = text
                .parse()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share));
            share.unwrap_or_else(|| {
                reader
                    .error("bad_value", &of_variable(name), "this is no share")
                    .label("write a number between 0 and 1");
                1.0
            })
        }
        _ => 1.0,
    }
}
