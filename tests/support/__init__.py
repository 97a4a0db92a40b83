"""What Python tests share: processes, certificates, a real control plane, the server under test, DNS messages."""
