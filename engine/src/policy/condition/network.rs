// SPDX-License-Identifier: Apache-2.0
//! Networks as RFC 4632 and RFC 4291 write them: an address and how many bits of it count.

use crate::json::DeError;
use alloc::borrow::ToOwned;
use alloc::format;
use core::net::{IpAddr, Ipv6Addr};

/// A network. IPv4 addresses are kept as RFC 4291 section 2.5.5.2 maps them, so that both spellings of a client's
/// address are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    length: u32,
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or a plain address.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Network, DeError> {
        let wrong = |message| {
            Err(DeError::new(message).with_help("write it like `10.0.0.0/8` or `2001:db8::/32`".to_owned()))
        };
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return wrong(format!("`{text}` is not a network"));
        };
        let (width, shift) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let plain = |length: &&str| length.len() <= 3 && length.bytes().all(|byte| byte.is_ascii_digit());
        let length = match length {
            None => Some(width),
            Some(length) => Some(length).filter(plain).and_then(|length| length.parse::<u32>().ok()),
        };
        let Some(length) = length.filter(|length| *length <= width) else {
            return wrong(format!("`{text}` is not a network: the length is 0 to {width}"));
        };
        let network = Network { bits: bits(address), length: length + shift };
        if network.bits & !network.mask() != 0 {
            return wrong(format!("`{text}` has bits beyond its length"));
        }
        Ok(network)
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        bits(address) & self.mask() == self.bits
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - self.length).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}
