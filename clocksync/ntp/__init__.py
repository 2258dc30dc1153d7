"""NTP: packets, a measuring client, a responder, and a drop-in for ntplib."""
