#[test]
fn x() {
    let _ = cedar_policy::Authorizer::new();
}
