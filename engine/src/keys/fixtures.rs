// SPDX-License-Identifier: Apache-2.0
//! Public halves of the keys in `testdata`; made for tests only with `openssl genrsa` and
//! `openssl ecparam`; nothing else uses them. And the examples of RFC 7515 appendix A.

use crate::keys::{Alg, Family, KeySet};
use alloc::format;
use alloc::string::String;
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, EncodingKey};

pub(crate) const RSA_2048_N: &str = "n5yQLlXsXwtJEuys3j-ONB86eo8sCeN0R54YmeFiRH1gOiSI2YLpOEYlDr4CNHfFHVNJ8xzdR72yVegz5wUPw-xnv1UTnjlXCb-7JCP_kt077ZPg3VMHZgJpfXZpJdcYtjYBa6t-_L1VXv3Xtpwj96KPAnhiI3TQ0GSsxv0OYBjQovpnOtJNqTJl5HN-NR-3V8Dx_cROc5P5a0YeE29OVuCbKYaoPC7-pmOwoht1EKCT8pe0zxpEq9Ix6UwrWC3gDGkO6tpA9hF6PtoncB4I7d-NLRxIGJkw4Qf_nbsqzYVNJaf3OZ8QyPMcAylKkS6BZ3nSXtf4uKpjJpuKxVJDiQ";
pub(crate) const RSA_2048_B_N: &str = "o0qf0lYmex3cU6Eqhz4038T0GwQrMPpLiZv27XdEi1SPUn3uCEzbp7kCNMBWzbk1kw7TKmygNcjCZGZF2x4lj7LBos387Idmkd2QTa2gFklXw7pdm4uBK1nkvqD_1FrwBovZ-OCN8aaIJEgcT0n7W7Iqv0rOeNTR3ge1zOEgZFWhn2n_jV1xbLMjUbRO-zO2fih-2tguGPIF631A5_qhpxA9cMgUWeuiaBZg1mchWsgUhHYboqJ5qvpPdjSX_gNt3yoA2bVOO0obi4GlyVDfQDiriTIGnfJEe0H35B1pRmFSnmBLqfHfcSR3eMMYl-RjwkQJapPdJcHyjSZO9JjQnQ";
pub(crate) const RSA_1024_N: &str = "siIm3xwRpHpoHHuGJ-RWED5tcqu63F1EBC6QVVi4M9wf2Wvse8rXsRqfrAxFeq-AmGErMFBkp_p4hznjmeuj6o54pn_oEkYwrf-Z8lad0-ckDA29dUVsBoSYkSKAhJFww43kt5-3Ywwz1bdDMgpjPqYxlSneAEOvMGbWn1EB8vE";
pub(crate) const RSA_4096_N: &str = "uLga3NzZ3K4Akrp82zHrzYVhGjhVEuewfnwrsRarudPd50B4qoWZdG7egH5m0mv0Br_Zs-22N3jF0q5_8hJbOCIuPKNy8C3BymECbtkmkswBTtLrEpLo2_yn7x06D-ZI1m5XHzd3hIUryP8vvorDda4LgwIAO0wJv_TvCOmZ89HBhQ5_3pVH3iEg1kwChrcM0ksdZAl33YAICOOb2EUdIqBIf3M-fbypiBTvn4h1xeNEfv6KL3UhrQ1uCM0Ij_7ot0woPLtlZ_J3DpYFMrbp-eN-E4HVe4GeYxF8YjrlHWN5kZ5nICZjJWNdQHdLKu58J1UjBkqii1dIetpOjiS7Wnbi2a87Gd_qBjRLqnggNuEc6vIo-21LmDYOCv6hNo-EGRXelWEAgzOsZ9dwvoN_KEpjfYPWTPsv1IGzNcZ-71hYNO9x9TLH2K4tVBu5rBNM1vAferXamUwtYAUtufomwxKMnego006qVgsFAmf4WHxk3v24zEuJXjAiZGQw3hoETRSI8uPIKVmNGNpoZ_Y67qOTLF-6HAyrjAZ6sDQU-0_1dG7kexyUsZX7nnQvjSdTmvg-XdLEfbMl5hgRU2uR9MrL3YH9-FjrU1uKn6E2M_WXjtY2j8Uv3_z4yPRrFD-nKChZWRpk74edH0eOY7IATdn0rlQoFwbyJZpNVmpLnT8";
pub(crate) const P256_X: &str = "42kxBGc8CBqxmEpWEA-2Id1DXqhbfgXIW2PPg8yLUOA";
pub(crate) const P256_Y: &str = "43mCpfIRmGIpUlPC3uvj4Cvip-A9OimdhZCawsSbCgw";
pub(crate) const P384_X: &str = "7WApzHoXdrKlgxdZvHSh9FAJOgqRofa-70ytrQ98a1C-D_IpKUSBn2eiQvgpg0Ml";
pub(crate) const P384_Y: &str = "Em6V5CjFqJpWq4Wh-qtuYE2rg2fnekvfykL5YWciOxo4vbbWr0QOqPUJoAd5oq9W";
pub(crate) const ED25519_X: &str = "xjP5DaFCuZnl7BuK8YG9vPYbab1VSrNJcRc8CwWFjQw";

/// RFC 7515 appendix A.2.1.
pub(crate) const RFC7515_A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
/// RFC 7515 appendix A.2.1.
pub(crate) const RFC7515_A2_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
/// RFC 7515 appendix A.3.1.
pub(crate) const RFC7515_A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
/// RFC 7515 appendix A.3.1.
pub(crate) const RFC7515_A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
/// RFC 7515 appendix A.3.1.
pub(crate) const RFC7515_A3_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// An RSA key as JSON, with more members in front.
pub(crate) fn rsa_jwk(n: &str, more: &str) -> String {
    format!(r#"{{{more}"kty":"RSA","n":"{n}","e":"AQAB"}}"#)
}

/// A P-256 key as JSON, with more members in front.
pub(crate) fn ec_jwk(x: &str, y: &str, more: &str) -> String {
    format!(r#"{{{more}"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
}

/// A P-384 key as JSON, with more members in front.
pub(crate) fn p384_jwk(x: &str, y: &str, more: &str) -> String {
    format!(r#"{{{more}"kty":"EC","crv":"P-384","x":"{x}","y":"{y}"}}"#)
}

/// An Ed25519 key as JSON, with more members in front.
pub(crate) fn ed25519_jwk(x: &str, more: &str) -> String {
    format!(r#"{{{more}"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)
}

/// A key set of these keys.
pub(crate) fn set_of(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// The keys of `testdata` under the names `r`, `e`, `e3` and `d`.
pub(crate) fn key_set() -> KeySet {
    let keys = [
        rsa_jwk(RSA_2048_N, r#""kid":"r","#),
        ec_jwk(P256_X, P256_Y, r#""kid":"e","alg":"ES256","#),
        p384_jwk(P384_X, P384_Y, r#""kid":"e3","alg":"ES384","#),
        ed25519_jwk(ED25519_X, r#""kid":"d","alg":"EdDSA","#),
    ];
    KeySet::parse(set_of(&keys).as_bytes()).unwrap()
}

/// The name in [`key_set`] of the key that signs with `alg`; `h` is the secret.
pub(crate) fn kid_for(alg: Alg) -> &'static str {
    match alg.family() {
        Family::Rsa => "r",
        Family::P256 => "e",
        Family::P384 => "e3",
        Family::Ed25519 => "d",
        Family::Secret => "h",
    }
}

/// Long enough for every hash.
pub(crate) const SECRET: &[u8; 64] = b"a-secret-for-tests-only-0123456789abcdef-0123456789abcdef-012345";

/// Signs with the keys of `testdata`, by a library that the engine does not use.
pub(crate) fn sign(alg: Alg, header: &str, payload: &str) -> String {
    let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    let input = format!("{}.{}", encode(header), encode(payload));
    let signature = sign_input(alg, &input);
    format!("{input}.{signature}")
}

/// The signature, as base64url, over any text.
pub(crate) fn sign_input(alg: Alg, input: &str) -> String {
    let key = match alg.family() {
        Family::Rsa => EncodingKey::from_rsa_der(include_bytes!("testdata/rsa2048.pkcs1.der")),
        Family::P256 => EncodingKey::from_ec_der(include_bytes!("testdata/p256.pkcs8.der")),
        Family::P384 => EncodingKey::from_ec_der(include_bytes!("testdata/p384.pkcs8.der")),
        Family::Ed25519 => EncodingKey::from_ed_der(include_bytes!("testdata/ed25519.pkcs8.der")),
        Family::Secret => EncodingKey::from_secret(SECRET),
    };
    let algorithm: Algorithm = alg.name().parse().unwrap();
    jsonwebtoken::crypto::sign(input.as_bytes(), &key, algorithm).unwrap()
}
