/** Every code that a daemon may find of itself, with what to do: docs/monitoring.md has a row for each. */
export const remedies = {
  'visits-missing':
    'Check that the p2p port is open from outside, that the DNS name leads to this machine, and that no firewall drops connections. `secnode doctor` says which.',
  'verdicts-bad':
    'Read what the challengers saw. `secnode explain --week current` shows their signed evidence; `secnode doctor` checks from here what they check.',
  'verdicts-minority':
    'Nothing is lost: most say otherwise. If the same challengers say so again, the way to them is bad: read what they saw.',
  unreachable:
    'Check firewall, port forwarding and DNS for this port, and for TLS the certificate; `secnode doctor` checks each from here.',
  'not-attested':
    'Look into the log of that epoch. In the epoch of a start nothing is attested unless other seats confirm that the record is complete.',
  abstentions:
    'The reasons say what this node could not judge. Check its chain node, its outgoing connections, and IPv6 if targets have no IPv4 address.',
  'another-runs':
    'Stop the other daemon for good, or this one. On the one that stays, run `secnode takeover --i-stopped-it` (docs/operators.md).',
  'seat-silent':
    'Look at the machine of the seat. If its daemon is stopped for good, run `secnode takeover --i-stopped-it` here; if that cannot be known, `secnode takeover --by-chain` (docs/operators.md).',
  'took-over':
    'Start this node without --standby from now on, in the unit of its service for example. After a takeover by the chain put `standby.key` of the data directory in the place of the file that `keys` names first.',
  'seat-moved':
    'If it was a takeover by the chain, stop this node when that epoch has come, or leave it as it is. To take the seat back, run `secnode announce` with the configuration of this node.',
  'takeover-given-up':
    'Stop the other daemon for good, then run `secnode takeover --i-stopped-it` again (docs/operators.md).',
  equivocated:
    'Stop the other daemon that has the same keys, or the copy of this machine: two attestations of one epoch were signed.',
  isolated: 'Check the outgoing connections of this machine and its DNS: no registered node is connected.',
  'few-heard':
    'Compare `secnode status` with that of another operator. If others hear more, check the connections, the firewall and the DNS of this machine, then restart the node: it draws new peers.',
  'no-neighbour':
    'Look at `secnode peers`. If it stays so, check that the p2p port is open from outside, then restart the node: it draws new peers.',
  'other-branch':
    'Compare the block hashes of the chain node with another source, check its version and its peers, and let it reorganise; after a missed upgrade install the new version.',
  'places-held':
    'Nothing is lost: duties have places of their own. `secnode peers` shows who is connected; if it goes on for days, report those seats.',
  'chain-unreachable':
    'Start the chain node, and check `rpc` in the configuration: address, user, password or cookie.',
  'chain-behind': 'Let the chain node synchronise; check its peers and its disk.',
  'chain-wrong':
    'The chain node is on another network, or its data is damaged. Check `profile` and `rpc`, then the chain node.',
  'chain-still': 'Check the chain node: its peers, its log, and whether others have newer blocks.',
  'certificate-expires':
    'Renew the certificate into the same files; it is picked up without a restart. Check the timer of the renewal.',
  'certificate-wrong':
    'Put a valid certificate for the announced host, with its chain, and its key into the files of the configuration.',
  'certificate-refused':
    'Put a certificate and a key that belong together into the files of the configuration.',
  'disk-low':
    'Free space or enlarge the disk: when it is full, the node stops rather than sign what it cannot write down.',
  'hot-wallet-low':
    'Put coins on that address, or take `anchor` out of the configuration: then the log prints each memo for you to post.',
  'not-announced': 'Announce the stake with `secnode announce`, and wait until the transaction is confirmed.',
  'checkpoint-differs':
    'Compare the profile with the one that the founders publish. If it is the same, tell them: the checkpoint may have been captured (docs/incidents.md).',
  'ruleset-unknown':
    'Install a version of Secnode that knows the ruleset, before its first week begins (docs/incidents.md).',
  'stake-spent':
    'Put the stake back to the same address and announce again with `secnode announce`; lock the output in the wallet.',
  'announcement-differs':
    'Announce again with `secnode announce`, or run with the keys, host and ports that were announced.',
} as const

export type FindingCode = keyof typeof remedies
