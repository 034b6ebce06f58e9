/** What an operator does about each word of R-VERD-1 that is said of his node. */
export const adviceFor: Readonly<Record<string, string>> = {
  unresolvable: 'The host name did not lead to an address. Look at its DNS records, of both families.',
  unreachable:
    'No connection to the p2p port. Is the daemon running, and is the port open in every firewall on the way?',
  timeout:
    'The node was reached, but did not answer in time. Is the machine, or the disk of its chain node, too slow or too busy?',
  'wrong digest':
    'The answer was not of this chain. Is the chain node whole (not pruned), in step, and on the right chain?',
  'bad receipt':
    'The answer was no receipt of this seat. Does the daemon have the keys and the stake that were announced?',
  'tls unreachable': 'No TLS connection. Is the TLS port open in every firewall on the way?',
  'tls invalid':
    'The certificate does not hold: expired, for another name, or signed by nobody that is trusted. Renew it.',
  'tls unbound':
    'Something else than this node ends the TLS connection: a proxy, a CDN, another node. It must end at the daemon.',
  'evidence invalid':
    'The evidence of an earlier attestation did not hold, or was not served. Has the data directory been lost, or put back from a copy?',
  silent: 'This challenger did not attest. Nothing is to be done about it here.',
  abstain: 'This challenger could not judge: its own chain node or network had a fault.',
  'valid: not attested': 'No attestation of its own counts: was the daemon running at the end of the epoch?',
  'valid: abstained':
    'It abstained on most of its targets: its own chain node was behind, or its network was down.',
  'valid: disagrees':
    'Most of its verdicts, or of the addresses in them, are not those of the majority: its network may reach only a part of the others, or its name servers give other addresses.',
  'invalid: address shared':
    'Another seat was seen at the same address: each node needs an address of its own.',
}
