//! Answers the requests for pages that the workers pass over.

use std::pin::pin;

use admin::App;
use gateway::serve::admin_door::AdminCall;
use gateway::serve::drain::{self, Stage};
use gateway::tasks::Tasks;
use http_body_util::BodyExt;
use tokio::sync::{mpsc, watch};

/// Pieces of a page's body that wait for its reader; a slow browser must not fill the memory.
const PAGE_PIECES: usize = 16;

/// Answers what the workers pass over.
pub(crate) async fn answer(
    app: App,
    mut calls: mpsc::Receiver<AdminCall>,
    tasks: Tasks,
    stage: watch::Receiver<Stage>,
) {
    while let Some(call) = calls.recv().await {
        tasks.spawn("page", answer_page(app.clone(), call, stage.clone()));
    }
}

async fn answer_page(app: App, call: AdminCall, stage: watch::Receiver<Stage>) {
    let AdminCall {
        request,
        peer,
        answer,
    } = call;
    let response = admin::answer(&app, request.map(http_body_util::Full::new), peer).await;
    let (parts, mut body) = response.into_parts();
    let (pieces, receiver) = mpsc::channel(PAGE_PIECES);
    if answer
        .send(http::Response::from_parts(parts, receiver))
        .is_err()
    {
        return;
    }
    let mut closing = pin!(drain::reached(stage, Stage::Closing));
    loop {
        // A live stream is silent for long: the browser's leaving must end it all the same.
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = pieces.closed() => return,
            // It would hold the gateway up; its browser comes again, to whoever answers then.
            () = closing.as_mut() => return,
        };
        let Some(Ok(frame)) = frame else { return };
        if let Ok(data) = frame.into_data()
            && pieces.send(data).await.is_err()
        {
            return;
        }
    }
}
