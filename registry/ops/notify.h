/* What we tell the service manager (sd_notify(3)): a datagram, nothing when nobody listens. */
#ifndef MOAT_NOTIFY_H
#define MOAT_NOTIFY_H

void notify_ready(void);
void notify_reloading(void); /* to be followed by notify_ready() */
void notify_stopping(void);

#endif
