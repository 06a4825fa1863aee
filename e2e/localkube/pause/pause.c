/* Holds a pod's namespaces: waits to be told to end, and collects processes
 * whose parents are gone when the pod shares its process namespace. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t ending;

static void end(int signal_number) {
  (void)signal_number;
  ending = 1;
}

static void wake(int signal_number) { (void)signal_number; }

int main(void) {
  sigset_t handled, before;
  sigemptyset(&handled);
  sigaddset(&handled, SIGCHLD);
  sigaddset(&handled, SIGINT);
  sigaddset(&handled, SIGTERM);
  /* Blocked except while waiting, so that no signal slips in between. */
  sigprocmask(SIG_BLOCK, &handled, &before);

  struct sigaction action = {.sa_handler = end};
  sigaction(SIGINT, &action, 0);
  sigaction(SIGTERM, &action, 0);
  action.sa_handler = wake;
  action.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, 0);

  while (!ending) {
    sigsuspend(&before);
    while (waitpid(-1, 0, WNOHANG) > 0) {
    }
  }
  return 0;
}
