//! A host of its own for a process under test: a network namespace joined to this machine by a pair
//! of virtual cards, with loss, and with delay where the kernel can. Needs root, `ip`, and `tc`
//! with netem or `nft`.

use std::process::Command;

/// The host; it goes with this value.
pub struct Host {
    name: String,
    /// Where this machine is seen from the host.
    pub outside: String,
    /// Whether packets are delayed on the way, too.
    pub is_far: bool,
}

fn sh(line: &str) -> Result<(), String> {
    let output = Command::new("sh")
        .args(["-c", line])
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`{line}`: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

impl Host {
    /// A host whose packets are lost by the hundredth in each direction, and take 100 ms each way
    /// where that can be had.
    ///
    /// # Errors
    /// What this machine cannot do.
    pub fn start() -> Result<Self, String> {
        let id = std::process::id();
        let (name, here, there) = (format!("motet-{id}"), format!("mh{id}"), format!("mt{id}"));
        let net = format!("10.213.{}", id % 250);
        sh(&format!("ip netns add {name}"))?;
        let mut host = Self {
            name: name.clone(),
            outside: format!("{net}.1"),
            is_far: false,
        };
        sh(&format!(
            "ip link add {here} type veth peer name {there} netns {name}"
        ))?;
        sh(&format!(
            "ip addr add {net}.1/30 dev {here} && ip link set {here} up"
        ))?;
        sh(&format!(
            "ip -n {name} addr add {net}.2/30 dev {there} && ip -n {name} link set {there} up"
        ))?;
        sh(&format!("ip -n {name} link set lo up"))?;
        let netem = format!("tc -n {name} qdisc add dev {there} root netem delay 200ms loss 2%");
        if sh(&netem).is_ok() {
            host.is_far = true;
            return Ok(host);
        }
        let drop = "numgen random mod 100 < 1 drop";
        let chain = |hook: &str| {
            format!(
                "add chain inet f {hook} {{ type filter hook {hook} priority 0; }}; add rule inet f {hook} {drop}; "
            )
        };
        let rules = format!("add table inet f; {}{}", chain("input"), chain("output"));
        sh(&format!("ip netns exec {name} nft '{rules}'"))?;
        Ok(host)
    }

    /// The command under which a process runs there.
    pub fn command(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Packets that were lost, as far as the rules count them: whether there was any loss at all.
    pub fn has_rules(&self) -> bool {
        self.is_far
            || sh(&format!(
                "ip netns exec {} nft list table inet f | grep -q drop",
                self.name
            ))
            .is_ok()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The pair of cards goes with the namespace.
        let _ = sh(&format!("ip netns del {}", self.name));
    }
}
