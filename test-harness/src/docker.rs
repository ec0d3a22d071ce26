//! Envoy in a container: `ENVOY=docker`.
//!
//! No image has to be pulled: it is built from the installed binary and the libraries that `ldd` names.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, bail, ensure};

use crate::paths;

const LABEL: &str = "toolgate-harness";

/// Whether a docker daemon answers.
#[must_use]
pub fn available() -> bool {
    run(["version", "--format", "{{.Server.Version}}"]).is_ok()
}

/// A container to be run by [`Container::command`]; removed on drop.
#[derive(Debug)]
pub struct Container {
    name: String,
    image: String,
}

impl Container {
    /// Prepares a container for Envoy; builds the image if it is not there.
    ///
    /// # Errors
    /// If no daemon answers or the image cannot be built.
    pub fn prepare(binary: &Path, name: &str) -> Result<Self> {
        ensure!(available(), "ENVOY=docker, but no docker daemon answers; start one, or unset ENVOY");
        sweep()?;
        Ok(Self { name: format!("{LABEL}-{name}"), image: image(binary)? })
    }

    /// The command that runs Envoy in it, on the host's network, with these folders and files readable.
    pub fn command<'a>(
        &self,
        readable: &[PathBuf],
        environment: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Command {
        let mut command = Command::new("docker");
        let owner = format!("{LABEL}={}", std::process::id());
        command.args(["run", "--rm", "--network", "host", "--name", &self.name, "--label", &owner]);
        for path in readable {
            command.arg("--volume").arg(format!("{0}:{0}:ro", path.display()));
        }
        for (key, value) in environment {
            command.arg("--env").arg(format!("{key}={value}"));
        }
        command.arg(&self.image);
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Fails only when the container has ended by itself.
        run(["rm", "--force", &self.name]).ok();
    }
}

/// Removes containers whose harness is gone: killing the client does not end what it runs.
fn sweep() -> Result<()> {
    let label = format!("label={LABEL}");
    let format = format!("{{{{.Names}}}} {{{{.Label \"{LABEL}\"}}}}");
    let listed = run(["ps", "--all", "--filter", &label, "--format", &format])?;
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        if let Some((name, owner)) = line.split_once(' ')
            && !Path::new("/proc").join(owner).exists()
        {
            run(["rm", "--force", name])?;
        }
    }
    Ok(())
}

/// The image of this binary: built once, named after version and size.
fn image(binary: &Path) -> Result<String> {
    let size = fs::metadata(binary)?.len();
    let name = format!("{LABEL}/envoy:{}-{size}", paths::envoy_version());
    if run(["image", "inspect", &name]).is_ok() {
        return Ok(name);
    }
    let context = std::env::temp_dir().join(format!("{LABEL}-image-{}", std::process::id()));
    let built = fill(&context, binary).and_then(|()| {
        run([OsStr::new("build"), OsStr::new("--tag"), OsStr::new(&name), context.as_os_str()])
    });
    fs::remove_dir_all(&context).ok();
    built.map(|_| name)
}

fn fill(context: &Path, binary: &Path) -> Result<()> {
    let root = context.join("root");
    copy(binary, &root.join("envoy"))?;
    for library in libraries(binary)? {
        let inside = library.strip_prefix("/").unwrap_or(&library);
        copy(&library, &root.join(inside))?;
    }
    fs::create_dir_all(root.join("tmp"))?;
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY root/ /\nENTRYPOINT [\"/envoy\"]\n")?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to).with_context(|| format!("cannot copy `{}`", from.display()))?;
    Ok(())
}

/// The libraries a binary is linked to, the loader included: the absolute paths in what `ldd` prints.
fn libraries(binary: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(binary).output().context("cannot run `ldd`")?;
    ensure!(output.status.success(), "`ldd {}` failed", binary.display());
    let text = String::from_utf8_lossy(&output.stdout);
    let paths = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}

fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Output> {
    let output = Command::new("docker").args(arguments).output().context("cannot run `docker`")?;
    if !output.status.success() {
        bail!("docker: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}
