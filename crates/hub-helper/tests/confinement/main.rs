//! What the helper, its units and the systemd spawner hold, on a real machine: two users, each trying to get at the
//! other, at the helper, at systemd, and out of its limits. Needs root and, once, a minute to build the machine's image.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod bed;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod owner;
#[cfg(test)]
mod real;
#[cfg(test)]
#[path = "../../../sandbox/tests/machine/support.rs"]
#[allow(dead_code, reason = "the sandbox's own tests use the rest")]
mod support;
#[cfg(test)]
mod users;

#[cfg(test)]
use bed::Bed;
#[cfg(test)]
use sandbox::machine::namespaces::View;

/// One machine for all of it: to boot one costs more than any of the proofs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_confined_and_their_servers_ends_are_told() {
    let bed = Bed::start(View::Host).await;
    logins::passwords_are_checked_and_strangers_refused(&bed).await;
    accounts::accounts_are_made_where_root_said_so(&bed).await;
    users::only_the_hub_is_answered(&bed).await;
    users::neither_sees_the_other(&bed).await;
    users::neither_leaves_its_unit(&bed).await;
    endings::a_hub_started_anew_finds_what_runs(&bed).await;
    endings::a_hog_is_killed_alone_and_called_that(&bed).await;
    owner::its_owner_reads_why(&bed).await;
    endings::a_failure_shows_its_last_lines_without_secrets(&bed).await;
    endings::what_does_not_end_politely_is_killed(&bed).await;
    bed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_same_on_unified_control_groups() {
    let bed = Bed::start(View::Unified).await;
    users::neither_sees_the_other(&bed).await;
    users::neither_leaves_its_unit(&bed).await;
    endings::a_hub_started_anew_finds_what_runs(&bed).await;
    endings::a_failure_shows_its_last_lines_without_secrets(&bed).await;
    real::the_unmodified_server_and_its_kernel_run(&bed).await;
    bed.end().await;
}
