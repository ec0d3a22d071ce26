// SPDX-License-Identifier: Apache-2.0
//! The host's functions, called directly: byte strings in, statuses out. No answer of the host can panic the VM.
//!
//! Every import is declared `-> u32`: an enum there would be undefined behaviour on a code it does not know.
//! What the host calls in turn stands in `abi`, apart from the allocator, whose other half is here.

use std::fmt;
use std::mem::ManuallyDrop;

/// What the host said instead of `Ok` (0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(u32);

impl Status {
    /// The host does not have what was asked for.
    pub(crate) const NOT_FOUND: Status = Status(1);
    /// Somebody else has written in between.
    pub(crate) const CAS_MISMATCH: Status = Status(8);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host status {}", self.0)
    }
}

/// Header maps of the ABI.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Map {
    Request = 0,
    RequestTrailers = 1,
    Response = 2,
    CallResponse = 6,
}

/// Buffers of the ABI.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallResponseBody = 4,
    PluginConfiguration = 7,
}

/// Levels of the host's log.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

impl Level {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_log(level: u32, text: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, data: *const u8, data_size: usize)
    -> u32;
    fn proxy_get_header_map_pairs(kind: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(kind: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_replace_header_map_value(
        kind: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, data: *const u8, size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, data: *const u8, size: usize, cas: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        call: *mut u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
}

fn done(status: u32) -> Result<(), Status> {
    if status == 0 { Ok(()) } else { Err(Status(status)) }
}

/// Memory for what the host hands over; [`take`] takes it as a vector of just this capacity.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut bytes = ManuallyDrop::new(Vec::<u8>::with_capacity(size));
    bytes.as_mut_ptr()
}

/// Calls `ask` with places for a pointer and a size, and takes over what the host put there.
fn take(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let mut data = std::ptr::null_mut::<u8>();
    let mut size = 0_usize;
    done(ask(&raw mut data, &raw mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the host allocated `size` bytes through the allocator above, which makes a `Vec<u8>` of
    // just that capacity, filled them, and gave up the pointer: this is its only owner.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes a line to the proxy's log.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: pointer and size describe `text`, which outlives the call.
    let _ = unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// Whether lines of this level are written, or dropped by the host. One that does not say is taken to write them.
pub(crate) fn is_written(level: Level) -> bool {
    let mut least = 0;
    // SAFETY: the host writes four bytes to a place that outlives the call.
    let status = unsafe { proxy_get_log_level(&raw mut least) };
    done(status).map_or(true, |()| least <= level as u32)
}

/// Nanoseconds since the epoch; without a clock the end of time, when every token has expired.
pub(crate) fn now_nanos() -> u64 {
    let mut time = 0;
    // SAFETY: the host writes eight bytes to a place that outlives the call.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut time) };
    done(status).map_or(u64::MAX, |()| time)
}

/// Sets how often ticks come.
pub(crate) fn set_tick(millis: u32) -> Result<(), Status> {
    // SAFETY: no memory is involved.
    done(unsafe { proxy_set_tick_period_milliseconds(millis) })
}

/// Reads `size` bytes of a buffer from its start.
pub(crate) fn buffer(kind: Buffer, size: usize) -> Result<Vec<u8>, Status> {
    // SAFETY: the places outlive the call.
    take(|data, length| unsafe { proxy_get_buffer_bytes(kind as u32, 0, size, data, length) })
}

/// Replaces the first `size` bytes of a buffer.
pub(crate) fn set_buffer(kind: Buffer, size: usize, bytes: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and size describe `bytes`, which outlives the call.
    done(unsafe { proxy_set_buffer_bytes(kind as u32, 0, size, bytes.as_ptr(), bytes.len()) })
}

/// A header map in the host's own encoding.
#[derive(Debug)]
pub(crate) struct Fields(Vec<u8>);

/// Reads a whole header map: one call, one allocation.
pub(crate) fn fields(kind: Map) -> Result<Fields, Status> {
    // SAFETY: the places outlive the call.
    take(|data, size| unsafe { proxy_get_header_map_pairs(kind as u32, data, size) }).map(Fields)
}

impl Fields {
    /// Names and values. Nothing if the encoding is not what the ABI says.
    pub(crate) fn pairs(&self) -> Vec<(&[u8], &[u8])> {
        self.decode().unwrap_or_default()
    }

    /// Count, then the sizes of each name and value, then the texts, each followed by a zero byte.
    fn decode(&self) -> Option<Vec<(&[u8], &[u8])>> {
        let (count, rest) = word(&self.0)?;
        let (mut sizes, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let (name_size, after) = word(sizes)?;
            let (value_size, after) = word(after)?;
            sizes = after;
            let (name, after) = text(texts, name_size)?;
            let (value, after) = text(after, value_size)?;
            texts = after;
            pairs.push((name, value));
        }
        Some(pairs)
    }
}

fn word(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*word)).ok()?, rest))
}

fn text(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(size)?;
    Some((text, rest.get(1..)?))
}

/// Removes all fields of a name.
pub(crate) fn remove_field(kind: Map, name: &[u8]) -> Result<(), Status> {
    // SAFETY: pointer and size describe `name`, which outlives the call.
    done(unsafe { proxy_remove_header_map_value(kind as u32, name.as_ptr(), name.len()) })
}

/// Sets a field in place of all of its name.
pub(crate) fn set_field(kind: Map, name: &[u8], value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointers and sizes describe slices that outlive the call.
    done(unsafe {
        proxy_replace_header_map_value(kind as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Reads a property; its path parts are joined by NUL.
pub(crate) fn property(path: &str) -> Result<Vec<u8>, Status> {
    // SAFETY: pointer and size describe `path`; the places outlive the call.
    take(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// Writes filter state `wasm.<name>`.
pub(crate) fn set_property(name: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: pointers and sizes describe slices that outlive the call.
    done(unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) })
}

/// A value of shared data and its version.
#[derive(Debug)]
pub(crate) struct SharedValue {
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: u32,
}

/// Reads shared data.
pub(crate) fn shared(key: &str) -> Result<SharedValue, Status> {
    let mut version = 0;
    // SAFETY: pointer and size describe `key`; the places outlive the call.
    let bytes = take(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version)
    })?;
    Ok(SharedValue { bytes, version })
}

/// Writes shared data if its version is still `version`. Version 0 would be unconditional; to create what is absent,
/// the ABI wants a version that no value can have.
pub(crate) fn set_shared(key: &str, bytes: &[u8], version: Option<u32>) -> Result<(), Status> {
    let version = version.filter(|version| *version != 0).unwrap_or(u32::MAX);
    // SAFETY: pointers and sizes describe slices that outlive the call.
    done(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), bytes.as_ptr(), bytes.len(), version) })
}

/// Lets a paused request go on.
pub(crate) fn resume_request() -> Result<(), Status> {
    // SAFETY: no memory is involved.
    done(unsafe { proxy_continue_stream(0) })
}

/// Ends the answer of the current stream where it stands: the client's stream is reset.
pub(crate) fn close_answer() -> Result<(), Status> {
    // SAFETY: no memory is involved.
    done(unsafe { proxy_close_stream(1) })
}

/// Answers in the upstream's place.
pub(crate) fn respond(
    status: u32,
    details: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(), Status> {
    let headers = encode(headers);
    // SAFETY: pointers and sizes describe slices that outlive the call.
    done(unsafe {
        proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Asks a cluster; the answer comes to the root context under the number that this gives.
/// `timeout` is in milliseconds.
pub(crate) fn call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: u32,
) -> Result<u32, Status> {
    let (headers, trailers) = (encode(headers), encode(&[]));
    let mut call = 0;
    // SAFETY: pointers and sizes describe slices that outlive the call; so does the place.
    done(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            &raw mut call,
        )
    })
    .map(|()| call)
}

fn encode(headers: &[(&str, &str)]) -> Vec<u8> {
    let size = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut bytes = Vec::with_capacity(256);
    bytes.extend(u32::try_from(headers.len()).unwrap_or(0).to_le_bytes());
    for (name, value) in headers {
        bytes.extend(size(name));
        bytes.extend(size(value));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// Makes following calls speak of this stream.
pub(crate) fn enter(context: u32) -> Result<(), Status> {
    // SAFETY: no memory is involved.
    done(unsafe { proxy_set_effective_context(context) })
}

/// Calls a function that only some hosts have.
pub(crate) fn foreign(name: &str, arguments: &[u8]) -> Result<Vec<u8>, Status> {
    // SAFETY: pointers and sizes describe slices that outlive the call; so do the places.
    take(|data, size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            size,
        )
    })
}

/// Metrics of the ABI.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum MetricKind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// Defines a metric. Each call makes a new id: define once and keep it.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: pointer and size describe `name`; the place outlives the call.
    done(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) }).map(|()| id)
}

/// Sets a gauge, or records into a histogram.
pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    // SAFETY: no memory is involved.
    done(unsafe { proxy_record_metric(id, value) })
}

/// Moves a gauge up or down.
pub(crate) fn shift(id: u32, by: i64) -> Result<(), Status> {
    // SAFETY: no memory is involved.
    done(unsafe { proxy_increment_metric(id, by) })
}

/// Adds to a counter; the host refuses zero.
pub(crate) fn count(id: u32, by: u64) -> Result<(), Status> {
    match i64::try_from(by) {
        // SAFETY: no memory is involved.
        Ok(by) if by > 0 => done(unsafe { proxy_increment_metric(id, by) }),
        Ok(_) | Err(_) => Ok(()),
    }
}
