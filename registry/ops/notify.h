/* Tell the service manager the state of the server (sd_notify(3)): one datagram; nothing where none listens. */
#ifndef MOAT_NOTIFY_H
#define MOAT_NOTIFY_H

void notify_ready(void); /* it serves */
void notify_reloading(void); /* to be followed by notify_ready() */
void notify_stopping(void); /* it drains, and ends */

#endif
