//! DescribeCluster: the brokers and the cluster's id (KIP-700).

use std::future::Future;

use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, DescribeClusterRequest, DescribeClusterResponse,
};
use kintsugi_types::ErrorCode;

use super::answer::{Answer, ApiError};
use super::call::Call;
use super::metadata::controller;
use super::topics::own;

/// The kind of endpoint that brokers have; controllers' (2) are not told to clients.
const ENDPOINT_BROKERS: i8 = 1;

/// The first version that may also ask for fenced brokers (KIP-1073).
const FENCED_SINCE: i16 = 2;

/// Answers with every live broker, and the fenced ones if they are asked for.
pub fn serve(call: Call) -> impl Future<Output = Result<Answer, ApiError>> {
    std::future::ready(answer(&call))
}

fn answer(call: &Call) -> Result<Answer, ApiError> {
    let request: DescribeClusterRequest = call.decode()?;
    let image = call.broker().image().image;
    let mut response = DescribeClusterResponse::default()
        .with_error_message(None)
        .with_cluster_id(own(call.broker().settings.cluster.as_str()))
        .with_controller_id(controller(&image, call.broker().id))
        .with_cluster_authorized_operations(i32::MIN);
    if call.version() >= 1 {
        response = response.with_endpoint_type(ENDPOINT_BROKERS);
        if request.endpoint_type != ENDPOINT_BROKERS {
            let text = "only the endpoints of brokers (1) are told here";
            response = response
                .with_error_code(ErrorCode::InvalidRequest.code())
                .with_error_message(Some(own(text)));
            return call.encode::<DescribeClusterRequest>(&response);
        }
    }
    let with_fenced = call.version() >= FENCED_SINCE && request.include_fenced_brokers;
    let brokers = image.brokers.values();
    let brokers = brokers.filter(|broker| with_fenced || !broker.fenced);
    let brokers = brokers.map(|broker| {
        let registration = &broker.registration;
        let described = DescribeClusterBroker::default()
            .with_broker_id(WireBrokerId(registration.incarnation.broker.0))
            .with_host(own(&registration.client_endpoint.host))
            .with_port(registration.client_endpoint.port.into())
            .with_rack(registration.rack.as_ref().map(|rack| own(&rack.0)));
        match call.version() >= FENCED_SINCE {
            true => described.with_is_fenced(broker.fenced),
            false => described,
        }
    });
    call.encode::<DescribeClusterRequest>(&response.with_brokers(brokers.collect()))
}
